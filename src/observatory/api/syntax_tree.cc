#include <fmt/format.h>

#include "prometheus_api.h"

namespace enclave::observatory::api {
namespace {

void WriteList(JsonWriter* json, std::string_view key, const std::vector<std::string>& texts) {
  json->Key(key).BeginArray();
  for (const std::string& text : texts) json->String(text);
  json->EndArray();
}

void WriteMatchers(JsonWriter* json, const telemetry::Matchers& matchers) {
  static constexpr std::string_view kOps[] = {"=", "!=", "=~", "!~"};
  json->Key("matchers").BeginArray();
  for (const telemetry::Matcher& matcher : matchers)
    json->BeginObject()
        .Key("type")
        .String(kOps[static_cast<std::size_t>(matcher.op())])
        .Key("name")
        .String(matcher.name())
        .Key("value")
        .String(matcher.value())
        .EndObject();
  json->EndArray();
}

void WriteShift(JsonWriter* json, const promql::TimeShift& shift) {
  json->Key("offset").Integer(shift.offset_ms);
  json->Key("timestamp");
  if (shift.at == promql::TimeShift::At::kTime)
    json->Integer(shift.at_ms);
  else
    json->Raw("null");
  json->Key("startOrEnd");
  if (shift.at == promql::TimeShift::At::kStart)
    json->String("start");
  else if (shift.at == promql::TimeShift::At::kEnd)
    json->String("end");
  else
    json->Raw("null");
}

std::string_view TypeText(promql::ValueType type) {
  static constexpr std::string_view kNames[] = {"none", "scalar", "vector", "matrix", "string"};
  return kNames[static_cast<std::size_t>(type)];
}

void WriteSelector(JsonWriter* json, const promql::VectorSelector& selector) {
  json->Key("name").String(selector.name);
  WriteMatchers(json, selector.matchers);
  WriteShift(json, selector.shift);
}

void WriteMatching(JsonWriter* json, const promql::Binary& binary) {
  json->Key("matching");
  if (binary.lhs->type() != promql::ValueType::kVector ||
      binary.rhs->type() != promql::ValueType::kVector) {
    json->Raw("null");
    return;
  }
  static constexpr std::string_view kCards[] = {"one-to-one", "many-to-one", "one-to-many",
                                                "many-to-many"};
  json->BeginObject();
  json->Key("card").String(kCards[static_cast<std::size_t>(binary.matching.cardinality)]);
  WriteList(json, "labels", binary.matching.labels);
  json->Key("on").Bool(binary.matching.on);
  WriteList(json, "include", binary.matching.include);
  json->EndObject();
}

}  // namespace

// The parser bounds the depth of the tree, so this recursion is bounded too.
void WriteSyntaxTree(JsonWriter* json, const promql::Expr& expr) {
  json->BeginObject().Key("type");
  switch (expr.kind) {
    case promql::ExprKind::kNumber: {
      std::string text;
      AppendSampleValue(&text, promql::As<promql::NumberLiteral>(expr).value);
      json->String("numberLiteral").Key("val").String(text);
      break;
    }
    case promql::ExprKind::kString:
      json->String("stringLiteral")
          .Key("val")
          .String(promql::As<promql::StringLiteral>(expr).value);
      break;
    case promql::ExprKind::kVectorSelector:
      json->String("vectorSelector");
      WriteSelector(json, promql::As<promql::VectorSelector>(expr));
      break;
    case promql::ExprKind::kMatrixSelector: {
      const auto& matrix = promql::As<promql::MatrixSelector>(expr);
      json->String("matrixSelector").Key("range").Integer(matrix.range_ms);
      WriteSelector(json, *matrix.vector);
      break;
    }
    case promql::ExprKind::kSubquery: {
      const auto& subquery = promql::As<promql::Subquery>(expr);
      json->String("subquery").Key("range").Integer(subquery.range_ms);
      json->Key("step").Integer(subquery.step_ms);
      WriteShift(json, subquery.shift);
      json->Key("expr");
      WriteSyntaxTree(json, *subquery.expr);
      break;
    }
    case promql::ExprKind::kCall: {
      const auto& call = promql::As<promql::Call>(expr);
      json->String("call").Key("func").BeginObject();
      json->Key("name").String(call.function.name).Key("argTypes").BeginArray();
      for (const promql::ValueType type : call.function.arg_types()) json->String(TypeText(type));
      json->EndArray().Key("variadic").Integer(call.function.optional);
      json->Key("returnType").String(TypeText(call.function.returns)).EndObject();
      json->Key("args").BeginArray();
      for (const promql::ExprPtr& arg : call.args) WriteSyntaxTree(json, *arg);
      json->EndArray();
      break;
    }
    case promql::ExprKind::kAggregate: {
      const auto& aggregate = promql::As<promql::Aggregate>(expr);
      json->String("aggregation").Key("op").String(promql::Spelling(aggregate.op));
      WriteList(json, "grouping", aggregate.grouping);
      json->Key("without").Bool(aggregate.without).Key("param");
      if (aggregate.param)
        WriteSyntaxTree(json, *aggregate.param);
      else
        json->Raw("null");
      json->Key("expr");
      WriteSyntaxTree(json, *aggregate.expr);
      break;
    }
    case promql::ExprKind::kBinary: {
      const auto& binary = promql::As<promql::Binary>(expr);
      json->String("binaryExpr").Key("op").String(promql::Spelling(binary.op));
      json->Key("bool").Bool(binary.return_bool);
      WriteMatching(json, binary);
      json->Key("lhs");
      WriteSyntaxTree(json, *binary.lhs);
      json->Key("rhs");
      WriteSyntaxTree(json, *binary.rhs);
      break;
    }
    case promql::ExprKind::kUnary: {
      const auto& unary = promql::As<promql::Unary>(expr);
      json->String("unaryExpr").Key("op").String(promql::Spelling(unary.op)).Key("expr");
      WriteSyntaxTree(json, *unary.expr);
      break;
    }
    case promql::ExprKind::kParen:
      json->String("parenExpr").Key("expr");
      WriteSyntaxTree(json, *promql::As<promql::Paren>(expr).expr);
      break;
  }
  json->EndObject();
}

}  // namespace enclave::observatory::api
