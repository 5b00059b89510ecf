// What a drill shows while it runs: a picture that is drawn anew each second on a terminal, lines
// with their time otherwise.
//
// One thread.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include "lab/drills/runner.h"

namespace enclave::cli {

class PlainShow final : public lab::drills::Show {
 public:
  explicit PlainShow(std::FILE* out) : out_(out) {}
  void Line(base::WallTime time, const std::string& text) override;
  void Tick(const lab::drills::Live& live) override;

 private:
  std::FILE* const out_;
};

class TerminalShow final : public lab::drills::Show {
 public:
  explicit TerminalShow(const std::vector<lab::drills::Objective>& objectives)
      : objectives_(objectives) {}
  void Line(base::WallTime time, const std::string& text) override;
  void Tick(const lab::drills::Live& live) override;
  void Clear();  // the picture goes, what is printed next takes its place

 private:
  const std::vector<lab::drills::Objective>& objectives_;
  std::size_t drawn_ = 0;  // lines
};

// Columns of standard output's terminal; 80 when it is none.
std::size_t TerminalWidth();

}  // namespace enclave::cli
