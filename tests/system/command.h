// Runs programs as a user's shell would, and keeps what they print.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace enclave::system_test {

struct Output {
  int code = -1;  // 128 + signal when killed; 124 when it took longer than allowed
  std::string out;
  std::string err;
  std::string command;  // as typed, for messages
  std::string both() const { return out + err; }
  // For messages of failed expectations.
  std::string Story() const;
};

struct RunOptions {
  std::map<std::string, std::string> environment{};  // added to the test's own; "" removes
  std::string input{};
  std::string directory{};
  std::chrono::seconds timeout{60};
};

Output Execute(const std::vector<std::string>& argv, const RunOptions& options = {});

// A program that runs beside the test; killed, with its process group, when this goes away.
class Background {
 public:
  explicit Background(const std::vector<std::string>& argv, const RunOptions& options = {});
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  pid_t pid() const { return pid_; }
  // What it has printed so far, standard output and error together.
  std::string Printed();
  // Waits until `text` was printed.
  bool WaitFor(const std::string& text, std::chrono::seconds timeout);
  // Waits until it ends by itself; its exit code, 124 when it did not in time.
  int WaitExit(std::chrono::seconds timeout);
  void Signal(int signal);

 private:
  // Reads what is there, waiting up to `patience`; false at the end of its output.
  bool Read(std::chrono::milliseconds patience);

  pid_t pid_ = -1;
  int output_ = -1;
  int code_ = -1;
  std::string printed_;
};

// Kills all that Execute and Background have running, with their process groups. Other threads
// stand still from then on, as soon as they use either.
void EndCommands();

}  // namespace enclave::system_test
