// Binary operators: between a vector and a number, and between two vectors.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "base/quote.h"
#include "observatory/promql/evaluator.h"
#include "observatory/promql/math_functions.h"

namespace enclave::observatory::promql {

using base::ErrorKind;
using base::Fail;
using base::Result;

namespace {

// With the name among the labels, as messages about matching show it.
std::string AllLabels(const telemetry::Labels& labels) {
  std::string text = "{";
  for (const telemetry::Label& label : labels)
    text +=
        fmt::format("{}{}={}", text.size() == 1 ? "" : ", ", label.name, base::Quote(label.value));
  return text + "}";
}

using Steps = std::vector<std::uint8_t>;  // 1 where something is so

// Which series of both sides belong together: those whose labels agree in what the matching names.
class Signatures {
 public:
  explicit Signatures(const VectorMatching& matching) : on_(matching.on), names_(matching.labels) {
    if (!on_) names_.emplace_back(telemetry::kMetricName);
    std::ranges::sort(names_);
  }

  telemetry::Labels Of(const telemetry::Labels& labels) const {
    return on_ ? labels.Keep(names_) : labels.Drop(names_);
  }
  // Numbers from 0, the same for the same signature.
  std::vector<std::size_t> Number(const Matrix& matrix) {
    std::vector<std::size_t> numbers;
    numbers.reserve(matrix.size());
    for (const Series& series : matrix)
      numbers.push_back(numbers_.try_emplace(Of(series.labels), numbers_.size()).first->second);
    return numbers;
  }
  std::size_t count() const { return numbers_.size(); }

 private:
  const bool on_;
  std::vector<std::string> names_;
  std::unordered_map<telemetry::Labels, std::size_t, telemetry::LabelsHash> numbers_;
};

// The steps at which any series of a signature has a value.
std::vector<Steps> PresenceOf(const Matrix& matrix, const std::vector<std::size_t>& signatures,
                              std::size_t count, std::size_t steps) {
  std::vector<Steps> there(count);
  for (std::size_t i = 0; i < matrix.size(); ++i) {
    Steps& of = there[signatures[i]];
    of.resize(steps);
    for (std::size_t step = 0; step < steps; ++step)
      if (Present(matrix[i].values[step])) of[step] = 1;
  }
  return there;
}

// Leaves of `matrix` only the values where the other side's presence is `wanted`.
void Filter(Matrix& matrix, const std::vector<std::size_t>& signatures,
            const std::vector<Steps>& other, bool wanted) {
  for (std::size_t i = 0; i < matrix.size(); ++i) {
    const Steps& there = other[signatures[i]];
    Column& values = matrix[i].values;
    for (std::size_t step = 0; step < values.size(); ++step)
      if ((!there.empty() && there[step] != 0) != wanted) values[step] = kAbsent;
  }
  std::erase_if(matrix, [](const Series& series) { return !AnyPresent(series.values); });
}

Matrix SetOperation(const Binary& node, Matrix left, Matrix right, const Grid& grid) {
  Signatures signatures(node.matching);
  const auto of_left = signatures.Number(left);
  const auto of_right = signatures.Number(right);
  if (node.op != Token::kOr) {
    const auto there = PresenceOf(right, of_right, signatures.count(), grid.count);
    Filter(left, of_left, there, node.op == Token::kAnd);
    return left;
  }
  const auto there = PresenceOf(left, of_left, signatures.count(), grid.count);
  Filter(right, of_right, there, false);
  // A series that is on both sides is one in the result; they have no step in common.
  std::unordered_map<telemetry::Labels, std::size_t, telemetry::LabelsHash> index;
  for (std::size_t i = 0; i < left.size(); ++i) index.try_emplace(left[i].labels, i);
  for (Series& series : right) {
    const auto at = index.find(series.labels);
    if (at == index.end() || left[at->second].drop_name != series.drop_name) {
      left.push_back(std::move(series));
      continue;
    }
    Column& into = left[at->second].values;
    for (std::size_t step = 0; step < grid.count; ++step)
      if (Present(series.values[step])) into[step] = series.values[step];
  }
  return left;
}

// Arithmetic and comparisons. The side that may have several series of a signature is `many`.
class Join {
 public:
  Join(QueryContext& context, const Binary& node, Matrix many, Matrix one, const Grid& grid)
      : context_(context),
        node_(node),
        matching_(node.matching),
        signatures_(node.matching),
        many_(std::move(many)),
        one_(std::move(one)),
        grid_(grid),
        of_many_(signatures_.Number(many_)),
        of_one_(signatures_.Number(one_)) {}

  Result<Matrix> Run() {
    if (many_.empty() || one_.empty()) return Matrix{};
    by_signature_.resize(signatures_.count());
    for (std::size_t i = 0; i < one_.size(); ++i) by_signature_[of_one_[i]].push_back(i);
    RETURN_IF_ERROR(CheckOneSide());
    if (matching_.cardinality == Cardinality::kOneToOne) RETURN_IF_ERROR(CheckManySide());
    for (std::size_t i = 0; i < many_.size(); ++i)
      for (const std::size_t j : by_signature_[of_many_[i]])
        RETURN_IF_ERROR(Combine(many_[i], one_[j]));
    std::erase_if(result_, [](const Series& series) { return !AnyPresent(series.values); });
    return std::move(result_);
  }

 private:
  bool swapped() const { return matching_.cardinality == Cardinality::kOneToMany; }

  // At no step two series of a signature on the side of one. Steps at which the other side has
  // nothing at all do not count.
  Result<> CheckOneSide() const {
    Steps relevant;
    for (std::size_t signature = 0; signature < by_signature_.size(); ++signature) {
      const auto& members = by_signature_[signature];
      if (members.size() < 2) continue;
      if (relevant.empty()) {
        relevant.resize(grid_.count);
        for (const Series& series : many_)
          for (std::size_t step = 0; step < grid_.count; ++step)
            if (Present(series.values[step])) relevant[step] = 1;
      }
      std::vector<const Series*> seen(grid_.count);
      for (const std::size_t i : members) {
        for (std::size_t step = 0; step < grid_.count; ++step) {
          if (relevant[step] == 0 || !Present(one_[i].values[step])) continue;
          if (seen[step] != nullptr) return Duplicate(*seen[step], one_[i]);
          seen[step] = &one_[i];
        }
      }
    }
    return {};
  }

  Result<> Duplicate(const Series& a, const Series& b) const {
    std::string first = AllLabels(a.labels);
    std::string second = AllLabels(b.labels);
    if (first > second) std::swap(first, second);
    return Fail(ErrorKind::kUnprocessable,
                fmt::format("found duplicate series for the match group {} on the {} hand-side of "
                            "the operation: [{}, {}];many-to-many matching not allowed: matching "
                            "labels must be unique on one side",
                            AllLabels(signatures_.Of(a.labels)), swapped() ? "left" : "right",
                            first, second));
  }

  // The same for the other side where both have a partner.
  Result<> CheckManySide() const {
    std::unordered_map<std::size_t, std::vector<std::size_t>> members;
    for (std::size_t i = 0; i < many_.size(); ++i) members[of_many_[i]].push_back(i);
    for (const auto& [signature, series] : members) {
      if (series.size() < 2 || by_signature_[signature].empty()) continue;
      for (std::size_t step = 0; step < grid_.count; ++step) {
        const auto present = [&](const Matrix& matrix) {
          return [&matrix, step](std::size_t i) { return Present(matrix[i].values[step]); };
        };
        if (std::ranges::count_if(series, present(many_)) > 1 &&
            std::ranges::any_of(by_signature_[signature], present(one_)))
          return Fail(ErrorKind::kUnprocessable,
                      "multiple matches for labels: many-to-one matching must be explicit "
                      "(group_left/group_right)");
      }
    }
    return {};
  }

  telemetry::Labels ResultLabels(const Series& many, const Series& one) const {
    telemetry::Labels labels = many.labels;
    if (!IsComparison(node_.op)) labels.Remove(telemetry::kMetricName);
    if (matching_.cardinality == Cardinality::kOneToOne) {
      if (matching_.on) {
        std::vector<std::string> names = matching_.labels;
        std::ranges::sort(names);
        labels = labels.Keep(names);
      } else {
        for (const std::string& name : matching_.labels) labels.Remove(name);
      }
    }
    for (const std::string& name : matching_.include) labels.Set(name, one.labels.Get(name));
    return labels;
  }

  Result<> Combine(const Series& many, const Series& one) {
    Series* into = nullptr;
    Steps* matched = nullptr;
    for (std::size_t step = 0; step < grid_.count; ++step) {
      if (!Present(many.values[step]) || !Present(one.values[step])) continue;
      if (into == nullptr) {
        ASSIGN_OR_RETURN(const std::size_t index, Slot(many, one));
        into = &result_[index];
        matched = &matched_[index];
      }
      if ((*matched)[step] != 0) {
        if (matching_.cardinality != Cardinality::kOneToOne)
          return Fail(ErrorKind::kUnprocessable,
                      "multiple matches for labels: grouping labels must ensure unique matches");
        if (Present(into->values[step])) return DuplicateSeries();
      }
      (*matched)[step] = 1;
      const double left = swapped() ? one.values[step] : many.values[step];
      const double right = swapped() ? many.values[step] : one.values[step];
      if (!IsComparison(node_.op)) {
        into->values[step] = ApplyOperator(node_.op, left, right);
      } else if (node_.return_bool) {
        into->values[step] = Compare(node_.op, left, right) ? 1 : 0;
      } else if (Compare(node_.op, left, right)) {
        into->values[step] = left;
      }
    }
    return {};
  }

  // Where the result of two series goes; partners that change over time give several results, and
  // the same result may come of several partners.
  Result<std::size_t> Slot(const Series& many, const Series& one) {
    telemetry::Labels labels = ResultLabels(many, one);
    const bool drop_name = node_.return_bool || many.drop_name;
    const auto [at, fresh] = index_[drop_name ? 1 : 0].try_emplace(labels, result_.size());
    if (fresh) {
      RETURN_IF_ERROR(context_.Charge(grid_.count));
      result_.push_back({.labels = std::move(labels),
                         .drop_name = drop_name,
                         .values = Column(grid_.count, kAbsent)});
      matched_.emplace_back(grid_.count);
    }
    return at->second;
  }

  QueryContext& context_;
  const Binary& node_;
  const VectorMatching& matching_;
  Signatures signatures_;
  const Matrix many_;
  const Matrix one_;
  const Grid grid_;
  const std::vector<std::size_t> of_many_;
  const std::vector<std::size_t> of_one_;
  std::vector<std::vector<std::size_t>> by_signature_;  // series of the side of one
  std::unordered_map<telemetry::Labels, std::size_t, telemetry::LabelsHash> index_[2];
  Matrix result_;
  std::vector<Steps> matched_;  // as result_
};

}  // namespace

Result<Matrix> Evaluator::BetweenVectors(const Binary& node, const Grid& grid) {
  ASSIGN_OR_RETURN(Matrix left, Vector(*node.lhs, grid));
  ASSIGN_OR_RETURN(Matrix right, Vector(*node.rhs, grid));
  if (IsSetOperator(node.op)) return SetOperation(node, std::move(left), std::move(right), grid);
  // One-to-many is many-to-one seen from the other side.
  if (node.matching.cardinality == Cardinality::kOneToMany) std::swap(left, right);
  return Join(context_, node, std::move(left), std::move(right), grid).Run();
}

Result<Pipeline> Evaluator::StreamWithScalar(const Binary& node, const Grid& grid) {
  const bool scalar_left = node.lhs->type() == ValueType::kScalar;
  ASSIGN_OR_RETURN(Column scalars, Scalar(scalar_left ? *node.lhs : *node.rhs, grid));
  ASSIGN_OR_RETURN(Pipeline pipeline, Stream(scalar_left ? *node.rhs : *node.lhs, grid));
  pipeline.stages.push_back([op = node.op, return_bool = node.return_bool, scalar_left,
                             scalars = std::move(scalars)](Series& series) {
    const bool comparison = IsComparison(op);
    if (!comparison || return_bool) series.drop_name = true;
    for (std::size_t step = 0; step < scalars.size(); ++step) {
      double& value = series.values[step];
      if (!Present(value)) continue;
      const double left = scalar_left ? scalars[step] : value;
      const double right = scalar_left ? value : scalars[step];
      if (!comparison) {
        value = ApplyOperator(op, left, right);
      } else if (return_bool) {
        value = Compare(op, left, right) ? 1 : 0;
      } else if (!Compare(op, left, right)) {
        value = kAbsent;
      }
    }
  });
  return pipeline;
}

}  // namespace enclave::observatory::promql
