#include <CLI/CLI.hpp>

int main(int argc, char** argv) {
  CLI::App app{"enclave: a laboratory that runs itself"};
  CLI11_PARSE(app, argc, argv);
  return 0;
}
