#include "observatory/text/template.h"

#include <fmt/format.h>

#include <utility>

#include "base/quote.h"
#include "observatory/text/template_ast.h"

namespace enclave::observatory::text {
namespace {

using telemetry::Labels;

std::unexpected<base::Error> CannotExpand(std::string_view why) {
  return base::Fail(base::ErrorKind::kUnprocessable, fmt::format("template: {}", why));
}

class Expansion {
 public:
  Expansion(const TemplateData& data, Dialect dialect) : data_(data), dialect_(dialect) {}

  base::Result<std::string> Run(const std::vector<TemplateNode>& nodes) {
    RETURN_IF_ERROR(List(nodes, Root()));
    return std::move(output_);
  }

 private:
  TemplateValue Root() const {
    if (dialect_ == Dialect::kLine) return {data_.labels};
    return {TemplateRoot{}};
  }

  base::Result<> List(const std::vector<TemplateNode>& nodes, const TemplateValue& dot) {
    for (const TemplateNode& node : nodes) {
      if (output_.size() > kMaxTemplateOutput || ++steps_ > kMostSteps) {
        return CannotExpand("the text is too long");
      }
      RETURN_IF_ERROR(One(node, dot));
    }
    return {};
  }

  base::Result<> One(const TemplateNode& node, const TemplateValue& dot) {
    const std::size_t scope = variables_.size();
    switch (node.kind) {
      case TemplateNode::Kind::kText:
        output_ += node.text;
        return {};
      case TemplateNode::Kind::kAction: {
        ASSIGN_OR_RETURN(const TemplateValue value, Pipeline(node.pipeline, dot));
        if (node.pipeline.variables.empty()) {
          output_ += ToText(value);
        } else {
          Set(node.pipeline, value);
        }
        return {};
      }
      case TemplateNode::Kind::kIf:
      case TemplateNode::Kind::kWith: {
        ASSIGN_OR_RETURN(const TemplateValue value, Pipeline(node.pipeline, dot));
        if (!node.pipeline.variables.empty()) Set(node.pipeline, value);
        const bool truth = IsTrue(value);
        const bool moves = node.kind == TemplateNode::Kind::kWith && truth;
        RETURN_IF_ERROR(List(truth ? node.body : node.otherwise, moves ? value : dot));
        break;
      }
      case TemplateNode::Kind::kRange:
        RETURN_IF_ERROR(Range(node, dot));
        break;
    }
    variables_.resize(scope);
    return {};
  }

  base::Result<> Range(const TemplateNode& node, const TemplateValue& dot) {
    ASSIGN_OR_RETURN(const TemplateValue value, Pipeline(node.pipeline, dot));
    std::vector<std::pair<TemplateValue, TemplateValue>> elements;
    if (const auto* list = std::get_if<TemplateList>(&value.value)) {
      for (std::size_t i = 0; i < list->size(); ++i) {
        elements.emplace_back(TemplateValue{static_cast<std::int64_t>(i)},
                              TemplateValue{(*list)[i]});
      }
    } else if (const auto* labels = std::get_if<Labels>(&value.value)) {
      for (const auto& label : *labels) {
        elements.emplace_back(TemplateValue{label.name}, TemplateValue{label.value});
      }
    } else if (!std::holds_alternative<std::monostate>(value.value)) {
      return CannotExpand("range goes over what a query gives, or over labels");
    }
    if (elements.empty()) return List(node.otherwise, dot);
    for (const auto& [key, element] : elements) {
      const std::size_t scope = variables_.size();
      const auto& names = node.pipeline.variables;
      if (names.size() == 2) variables_.emplace_back(names[0], key);
      if (!names.empty()) variables_.emplace_back(names.back(), element);
      RETURN_IF_ERROR(List(node.body, element));
      variables_.resize(scope);
    }
    return {};
  }

  void Set(const TemplatePipeline& pipeline, const TemplateValue& value) {
    const std::string& name = pipeline.variables.front();
    if (!pipeline.declares) {
      for (auto it = variables_.rbegin(); it != variables_.rend(); ++it) {
        if (it->first != name) continue;
        it->second = value;
        return;
      }
    }
    variables_.emplace_back(name, value);
  }

  base::Result<TemplateValue> Pipeline(const TemplatePipeline& pipeline, const TemplateValue& dot) {
    TemplateValue value;
    for (std::size_t i = 0; i < pipeline.commands.size(); ++i) {
      const TemplateCommand& command = pipeline.commands[i];
      const TemplateOperand& first = command.operands.front();
      if (first.kind != TemplateOperand::Kind::kFunction) {
        ASSIGN_OR_RETURN(value, Operand(first, dot));
        continue;
      }
      std::vector<TemplateValue> args;
      for (std::size_t k = 1; k < command.operands.size(); ++k) {
        ASSIGN_OR_RETURN(TemplateValue arg, Operand(command.operands[k], dot));
        args.push_back(std::move(arg));
      }
      if (i > 0) args.push_back(std::move(value));
      ASSIGN_OR_RETURN(value, Call(first, args));
    }
    return value;
  }

  base::Result<TemplateValue> Call(const TemplateOperand& function,
                                   const std::vector<TemplateValue>& args) {
    const std::string& name = function.text;
    if (name == "__line__") return TemplateValue{std::string(data_.line)};
    if (name == "externalURL") return TemplateValue{data_.external_url};
    if (name == "query") {
      if (!data_.query) return CannotExpand("there is nothing to query here");
      if (++queries_ > kMostQueries) return CannotExpand("too many queries");
      auto found = data_.query(ToText(args[0]));
      if (!found) return std::unexpected(found.error().While("query in a template"));
      return TemplateValue{std::move(*found)};
    }
    auto result = function.function->call(args);
    if (!result) return CannotExpand(fmt::format("{}: {}", name, result.error().message()));
    return result;
  }

  base::Result<TemplateValue> Operand(const TemplateOperand& operand, const TemplateValue& dot) {
    TemplateValue value;
    switch (operand.kind) {
      case TemplateOperand::Kind::kText:
        return TemplateValue{operand.text};
      case TemplateOperand::Kind::kNumber:
        if (operand.integer) return TemplateValue{static_cast<std::int64_t>(operand.number)};
        return TemplateValue{operand.number};
      case TemplateOperand::Kind::kBool:
        return TemplateValue{operand.truth};
      case TemplateOperand::Kind::kNil:
        return TemplateValue{};
      case TemplateOperand::Kind::kFunction:
        return Call(operand, {});  // one without arguments, as an argument
      case TemplateOperand::Kind::kDot:
        value = dot;
        break;
      case TemplateOperand::Kind::kVariable:
        value = Variable(operand.text);
        break;
      case TemplateOperand::Kind::kParen: {
        ASSIGN_OR_RETURN(value, Pipeline(operand.paren.front(), dot));
        break;
      }
    }
    for (const std::string& field : operand.fields) {
      ASSIGN_OR_RETURN(value, Field(value, field));
    }
    return value;
  }

  TemplateValue Variable(const std::string& name) const {
    for (auto it = variables_.rbegin(); it != variables_.rend(); ++it) {
      if (it->first == name) return it->second;
    }
    if (name.empty()) return Root();  // $
    if (name == "labels") return {data_.labels};
    if (name == "value") return {data_.value};
    if (name == "externalLabels") return {data_.external_labels};
    return {data_.external_url};
  }

  base::Result<TemplateValue> Field(const TemplateValue& of, const std::string& name) const {
    if (std::holds_alternative<TemplateRoot>(of.value)) {
      if (name == "Labels") return TemplateValue{data_.labels};
      if (name == "Value") return TemplateValue{data_.value};
      if (name == "ExternalLabels") return TemplateValue{data_.external_labels};
      if (name == "ExternalURL") return TemplateValue{data_.external_url};
    } else if (const auto* labels = std::get_if<Labels>(&of.value)) {
      return TemplateValue{std::string(labels->Get(name))};
    } else if (const auto* sample = std::get_if<Sample>(&of.value)) {
      if (name == "Labels") return TemplateValue{sample->labels};
      if (name == "Value") return TemplateValue{sample->value};
    }
    return CannotExpand(fmt::format("there is no field {}", base::Quote(name)));
  }

  static constexpr int kMostQueries = 100;
  static constexpr int kMostSteps = 100'000;

  const TemplateData& data_;
  const Dialect dialect_;
  std::string output_;
  std::vector<std::pair<std::string, TemplateValue>> variables_;
  int queries_ = 0;
  int steps_ = 0;
};

}  // namespace

base::Result<Template> Template::Parse(std::string_view text, Dialect dialect) {
  ASSIGN_OR_RETURN(std::vector<TemplateNode> nodes, ParseTemplate(text, dialect));
  Template result;
  result.dialect_ = dialect;
  result.text_ = text;
  result.nodes_ = std::make_shared<const std::vector<TemplateNode>>(std::move(nodes));
  return result;
}

base::Result<std::string> Template::Expand(const TemplateData& data) const {
  if (nodes_ == nullptr) return std::string();
  return Expansion(data, dialect_).Run(*nodes_);
}

}  // namespace enclave::observatory::text
