#include "lab/drills/drill.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "base/quote.h"
#include "kube/body.h"

namespace enclave::lab::drills {
namespace {

using base::Duration;
using base::ErrorKind;
using base::Fail;
using base::Result;

constexpr std::size_t kMostFaults = 64;
constexpr int kMostCount = 2000;
constexpr std::chrono::hours kLongest{1};

struct FaultForm {
  FaultKind kind;
  std::string_view name;
  std::set<std::string_view> fields;  // besides `after`; all must be there
};
const std::vector<FaultForm>& FaultForms() {
  static const std::vector<FaultForm> forms = {
      {FaultKind::kRelease, "release", {"workload", "image"}},
      {FaultKind::kEnvironment, "environment", {"workload", "variable", "value"}},
      {FaultKind::kConfiguration, "configuration", {"configmap", "key", "replace", "with"}},
      {FaultKind::kSignal, "signal", {"workload", "signal"}},
      {FaultKind::kProcessor, "processor", {"workload", "processes"}},
      {FaultKind::kScale, "scale", {"workload", "replicas"}},
      {FaultKind::kDeletePods, "delete-pods", {"workload"}},
      {FaultKind::kRestart, "restart", {"workload"}},
      {FaultKind::kVisitors, "visitors", {"users", "for"}},
  };
  return forms;
}

std::string FaultNames() {
  std::string names;
  for (const FaultForm& form : FaultForms())
    names += fmt::format("{}{}", names.empty() ? "" : ", ", form.name);
  return names;
}

// Reads fields of one object and remembers which were asked for, so that what nobody reads is an
// error of the writer.
class Fields {
 public:
  Fields(const Json& object, std::string where) : object_(object), where_(std::move(where)) {}

  std::unexpected<base::Error> Wrong(std::string_view field, std::string_view what) const {
    return Fail(ErrorKind::kInvalidArgument, fmt::format("{}: {}: {}", where_, field, what));
  }
  const Json* Find(const char* field) {
    read_.insert(field);
    const auto found = object_.find(field);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }
  Result<std::string> Text(const char* field, std::optional<std::string> fallback = {}) {
    const Json* value = Find(field);
    if (value == nullptr && fallback) return *std::move(fallback);
    if (value != nullptr && value->is_number_integer())
      return std::to_string(value->get<std::int64_t>());
    if (value == nullptr || !value->is_string()) return Wrong(field, "write a text");
    return value->get<std::string>();
  }
  Result<std::string> Name(const char* field) {
    ASSIGN_OR_RETURN(std::string name, Text(field));
    if (name.empty()) return Wrong(field, "it is empty");
    return name;
  }
  Result<std::vector<std::string>> Texts(const char* field) {
    std::vector<std::string> texts;
    const Json* value = Find(field);
    if (value == nullptr) return texts;
    if (!value->is_array()) return Wrong(field, "write a list of texts");
    for (const Json& one : *value) {
      if (!one.is_string()) return Wrong(field, "write a list of texts");
      texts.push_back(one.get<std::string>());
    }
    return texts;
  }
  Result<Duration> Span(const char* field, std::optional<Duration> fallback = {}) {
    const Json* value = Find(field);
    if (value == nullptr && fallback) return *fallback;
    const auto span = value != nullptr && value->is_string() ? ParseSpan(value->get<std::string>())
                                                             : std::nullopt;
    if (!span) return Wrong(field, "write a time of at most an hour, as 10s or 5m");
    return *span;
  }
  Result<int> Count(const char* field, int least) {
    const Json* value = Find(field);
    if (value == nullptr || !value->is_number_integer() || *value < least || *value > kMostCount)
      return Wrong(field, fmt::format("write a whole number from {} to {}", least, kMostCount));
    return value->get<int>();
  }
  Result<> NothingElse() const {
    for (const auto& [field, value] : object_.items())
      if (!read_.contains(field))
        return Fail(ErrorKind::kInvalidArgument,
                    fmt::format("{}: there is no field {}", where_, base::Quote(field)));
    return {};
  }

 private:
  const Json& object_;
  const std::string where_;
  std::set<std::string, std::less<>> read_;
};

Result<Fault> ParseFault(const Json& json, const std::string& where) {
  const FaultForm* form = nullptr;
  if (json.is_object())
    for (const FaultForm& one : FaultForms())
      if (json.contains(one.name)) form = &one;
  if (form == nullptr)
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("{}: say what is done: one of {}", where, FaultNames()));
  Fields outer(json, where);
  Fault fault{.kind = form->kind};
  ASSIGN_OR_RETURN(fault.after, outer.Span("after", Duration::zero()));
  const Json* body = outer.Find(std::string(form->name).c_str());
  RETURN_IF_ERROR(outer.NothingElse());
  const std::string inside = fmt::format("{}: {}", where, form->name);
  if (body == nullptr || !body->is_object())
    return Fail(ErrorKind::kInvalidArgument, fmt::format("{}: write its fields", inside));
  Fields fields(*body, inside);
  const auto has = [&](std::string_view field) { return form->fields.contains(field); };
  if (has("workload")) {
    ASSIGN_OR_RETURN(fault.workload, fields.Name("workload"));
  }
  if (has("configmap")) {
    ASSIGN_OR_RETURN(fault.workload, fields.Name("configmap"));
  }
  if (has("image")) {
    ASSIGN_OR_RETURN(fault.image, fields.Name("image"));
  }
  if (has("variable")) {
    ASSIGN_OR_RETURN(fault.key, fields.Name("variable"));
  }
  if (has("value")) {
    ASSIGN_OR_RETURN(fault.value, fields.Text("value"));
  }
  if (has("key")) {
    ASSIGN_OR_RETURN(fault.key, fields.Name("key"));
  }
  if (has("replace")) {
    ASSIGN_OR_RETURN(fault.replaced, fields.Name("replace"));
  }
  if (has("with")) {
    ASSIGN_OR_RETURN(fault.value, fields.Text("with"));
  }
  if (has("signal")) {
    ASSIGN_OR_RETURN(fault.signal, fields.Name("signal"));
    if (fault.signal != "STOP" && fault.signal != "KILL")
      return fields.Wrong("signal", "write STOP or KILL");
  }
  if (has("processes")) {
    ASSIGN_OR_RETURN(fault.count, fields.Count("processes", 1));
  }
  if (has("replicas")) {
    ASSIGN_OR_RETURN(fault.count, fields.Count("replicas", 0));
  }
  if (has("users")) {
    ASSIGN_OR_RETURN(fault.count, fields.Count("users", 1));
  }
  if (has("for")) {
    ASSIGN_OR_RETURN(fault.lasts, fields.Span("for"));
  }
  RETURN_IF_ERROR(fields.NothingElse());
  return fault;
}

Result<Cause> ParseCause(const Json& json, const std::string& where) {
  if (!json.is_object())
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("{}: write services, kinds and actions", where));
  Fields fields(json, where);
  Cause cause;
  ASSIGN_OR_RETURN(cause.services, fields.Texts("services"));
  ASSIGN_OR_RETURN(cause.kinds, fields.Texts("kinds"));
  ASSIGN_OR_RETURN(cause.actions, fields.Texts("actions"));
  RETURN_IF_ERROR(fields.NothingElse());
  if (cause.services.empty() || cause.kinds.empty() || cause.actions.empty())
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("{}: services, kinds and actions need an entry each", where));
  return cause;
}

Result<> ParseTruth(const Json& json, const std::string& where, Drill* drill) {
  if (!json.is_object())
    return Fail(ErrorKind::kInvalidArgument, fmt::format("{}: write causes and may-touch", where));
  Fields fields(json, where);
  const Json* causes = fields.Find("causes");
  if (causes == nullptr || !causes->is_array())
    return fields.Wrong("causes", "write a list; an empty one when nothing is wrong");
  for (const Json& one : *causes) {
    ASSIGN_OR_RETURN(Cause cause,
                     ParseCause(one, fmt::format("{}: cause {}", where, drill->causes.size() + 1)));
    drill->causes.push_back(std::move(cause));
  }
  ASSIGN_OR_RETURN(drill->may_touch, fields.Texts("may-touch"));
  for (const std::string& object : drill->may_touch)
    if (object.find('/') == std::string::npos)
      return fields.Wrong("may-touch", "write KIND/NAME, as Deployment/cartservice");
  return fields.NothingElse();
}

Result<> ParseLimits(const Json& json, const std::string& where, Drill* drill) {
  if (!json.is_object())
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("{}: write detect, recover and whole", where));
  Fields fields(json, where);
  const bool quiet = drill->causes.empty();
  const auto nothing = quiet ? std::optional(Duration::zero()) : std::nullopt;
  ASSIGN_OR_RETURN(drill->detect, fields.Span("detect", nothing));
  ASSIGN_OR_RETURN(drill->recover, fields.Span("recover", nothing));
  ASSIGN_OR_RETURN(drill->whole, fields.Span("whole"));
  return fields.NothingElse();
}

Result<Json> ParseObject(std::string_view text, const std::string& file) {
  auto json = kube::ParseYaml(text);
  if (!json) return Fail(json.error().While(file));
  if (!json->is_object())
    return Fail(ErrorKind::kInvalidArgument, fmt::format("{}: write fields", file));
  return std::move(*json);
}

Result<std::string> ReadFile(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return Fail(ErrorKind::kUnavailable, fmt::format("cannot read {}", file.string()));
  return std::string((std::istreambuf_iterator<char>(stream)), {});
}

}  // namespace

std::optional<Duration> ParseSpan(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (error != std::errc() || !(number >= 0) || (unit != "s" && unit != "m")) return std::nullopt;
  const double seconds = unit == "m" ? number * 60 : number;
  if (seconds > std::chrono::duration<double>(kLongest).count()) return std::nullopt;
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

const Drill* Book::Find(std::string_view name) const {
  const auto found = std::ranges::find(drills, name, &Drill::name);
  return found == drills.end() ? nullptr : &*found;
}

Result<Drill> ParseDrill(std::string_view text, const std::string& file) {
  ASSIGN_OR_RETURN(const Json json, ParseObject(text, file));
  Fields fields(json, file);
  Drill drill;
  ASSIGN_OR_RETURN(drill.name, fields.Name("name"));
  ASSIGN_OR_RETURN(drill.title, fields.Name("title"));
  ASSIGN_OR_RETURN(drill.ns, fields.Text("namespace", drill.ns));
  ASSIGN_OR_RETURN(
      drill.request,
      fields.Text("request", R"({ resource.service.name = "loadgenerator" && status = error })"));
  if (const Json* steady = fields.Find("steady")) {
    if (!steady->is_object()) return fields.Wrong("steady", "write `hold: 10s`");
    Fields inner(*steady, file + ": steady");
    ASSIGN_OR_RETURN(drill.hold, inner.Span("hold"));
    RETURN_IF_ERROR(inner.NothingElse());
  }
  const Json* faults = fields.Find("faults");
  if (faults == nullptr || !faults->is_array() || faults->empty() || faults->size() > kMostFaults)
    return fields.Wrong("faults", fmt::format("write a list of 1 to {}", kMostFaults));
  for (const Json& one : *faults) {
    ASSIGN_OR_RETURN(Fault fault,
                     ParseFault(one, fmt::format("{}: fault {}", file, drill.faults.size() + 1)));
    // Of equal times in the order of the file.
    const auto place = std::ranges::upper_bound(drill.faults, fault.after, {}, &Fault::after);
    drill.faults.insert(place, std::move(fault));
  }
  const Json* truth = fields.Find("truth");
  if (truth == nullptr) return fields.Wrong("truth", "it is missing");
  RETURN_IF_ERROR(ParseTruth(*truth, file + ": truth", &drill));
  const Json* limits = fields.Find("limits");
  if (limits == nullptr) return fields.Wrong("limits", "they are missing");
  RETURN_IF_ERROR(ParseLimits(*limits, file + ": limits", &drill));
  RETURN_IF_ERROR(fields.NothingElse());
  return drill;
}

Result<std::vector<Objective>> ParseObjectives(std::string_view text, const std::string& file) {
  ASSIGN_OR_RETURN(const Json json, ParseObject(text, file));
  Fields fields(json, file);
  const Json* list = fields.Find("objectives");
  if (list == nullptr || !list->is_array() || list->empty())
    return fields.Wrong("objectives", "write a list");
  std::vector<Objective> objectives;
  for (const Json& one : *list) {
    const std::string where = fmt::format("{}: objective {}", file, objectives.size() + 1);
    if (!one.is_object())
      return Fail(ErrorKind::kInvalidArgument, where + ": write name, title and query");
    Fields inner(one, where);
    Objective objective;
    ASSIGN_OR_RETURN(objective.name, inner.Name("name"));
    ASSIGN_OR_RETURN(objective.title, inner.Name("title"));
    ASSIGN_OR_RETURN(objective.query, inner.Name("query"));
    ASSIGN_OR_RETURN(objective.unit, inner.Text("unit", ""));
    if (!objective.unit.empty() && objective.unit != "%" && objective.unit != "s" &&
        objective.unit != "/s")
      return inner.Wrong("unit", "write %, s or /s, or leave it out");
    const Json* at_most = inner.Find("at-most");
    objective.shown_only = at_most == nullptr;
    if (at_most != nullptr) {
      if (!at_most->is_number()) return inner.Wrong("at-most", "write a number");
      objective.at_most = at_most->get<double>();
    }
    RETURN_IF_ERROR(inner.NothingElse());
    objectives.push_back(std::move(objective));
  }
  RETURN_IF_ERROR(fields.NothingElse());
  return objectives;
}

Result<Book> ReadBook(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error))
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  if (error)
    return Fail(ErrorKind::kUnavailable,
                fmt::format("cannot read the folder {}: {}", folder.string(), error.message()));
  std::ranges::sort(files);
  Book book;
  for (const auto& file : files) {
    ASSIGN_OR_RETURN(const std::string text, ReadFile(file));
    if (file.filename() == "objectives.yaml") {
      ASSIGN_OR_RETURN(book.objectives, ParseObjectives(text, file.string()));
      continue;
    }
    ASSIGN_OR_RETURN(Drill drill, ParseDrill(text, file.string()));
    if (book.Find(drill.name) != nullptr)
      return Fail(ErrorKind::kInvalidArgument, fmt::format("{}: another drill has the name {}",
                                                           file.string(), base::Quote(drill.name)));
    book.drills.push_back(std::move(drill));
  }
  if (book.objectives.empty() || book.drills.empty())
    return Fail(ErrorKind::kNotFound,
                fmt::format("{} holds no objectives.yaml or no drill", folder.string()));
  std::ranges::sort(book.drills, {}, &Drill::name);
  return book;
}

std::string CommandOf(const Fault& fault, const std::string& ns) {
  const std::string kubectl = "kubectl -n " + ns;
  switch (fault.kind) {
    case FaultKind::kRelease:
      return fmt::format("{} set image deployment/{} server={}", kubectl, fault.workload,
                         fault.image);
    case FaultKind::kEnvironment:
      return fmt::format("{} set env deployment/{} {}={}", kubectl, fault.workload, fault.key,
                         fault.value);
    case FaultKind::kConfiguration:
      return fmt::format("{} edit configmap/{}: {} becomes {}", kubectl, fault.workload,
                         base::Quote(fault.replaced), base::Quote(fault.value));
    case FaultKind::kSignal:
      return fmt::format("kill -{} of the process of {}", fault.signal, fault.workload);
    case FaultKind::kProcessor:
      return fmt::format("{} busy processes in the container of {}", fault.count, fault.workload);
    case FaultKind::kScale:
      return fmt::format("{} scale deployment/{} --replicas={}", kubectl, fault.workload,
                         fault.count);
    case FaultKind::kDeletePods:
      return fmt::format("{} delete pod -l app={}", kubectl, fault.workload);
    case FaultKind::kRestart:
      return fmt::format("{} rollout restart deployment/{}", kubectl, fault.workload);
    case FaultKind::kVisitors:
      return fmt::format("{} more visitors for {} s", fault.count,
                         std::chrono::duration_cast<std::chrono::seconds>(fault.lasts).count());
  }
  return "";
}

}  // namespace enclave::lab::drills
