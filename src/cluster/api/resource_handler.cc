#include "cluster/api/resource_handler.h"

#include <fmt/format.h>

#include <charconv>
#include <mutex>
#include <optional>

#include "cluster/api/negotiation.h"
#include "cluster/api/render.h"
#include "cluster/api/request_body.h"
#include "cluster/api/schema.h"
#include "cluster/api/watch_stream.h"
#include "kube/body.h"
#include "kube/status.h"

namespace enclave::cluster {

namespace asio = boost::asio;
using base::ErrorKind;
using base::Fail;
using kube::At;
using kube::Json;
using kube::StringAt;

struct ResourceHandler::Call {
  ResourcePtr resource;
  const Subresource* subresource = nullptr;
  Negotiated negotiated;
  WriteOptions options;
};

namespace {

base::Error UnknownResource() {
  return {ErrorKind::kNotFound, "the server could not find the requested resource"};
}

base::Error MethodNotAllowed() {
  return {ErrorKind::kMethodNotAllowed,
          "the server does not allow this method on the requested resource"};
}

kube::StatusDetails DetailsOf(const Exchange& exchange) {
  return {.name = exchange.info.name, .group = exchange.info.group, .kind = exchange.info.resource};
}

base::Result<WriteOptions> WriteOptionsOf(const Exchange& exchange) {
  WriteOptions options{.who = exchange.who, .trace_id = exchange.trace_id, .of_client = true};
  if (const auto dry_run = exchange.request.Query("dryRun"); dry_run && !dry_run->empty()) {
    if (*dry_run != "All") {
      return Fail(ErrorKind::kInvalidArgument,
                  fmt::format("dryRun: Unsupported value: \"{}\": supported values: \"All\"",
                              dry_run->substr(0, 64)));
    }
    options.dry_run = true;
  }
  const std::string validation = exchange.request.Query("fieldValidation").value_or("");
  if (validation == "Strict") {
    options.field_validation = FieldValidation::kStrict;
  } else if (validation == "Ignore") {
    options.field_validation = FieldValidation::kIgnore;
  } else if (!validation.empty() && validation != "Warn") {
    return Fail(ErrorKind::kInvalidArgument,
                fmt::format("fieldValidation: Unsupported value: \"{}\": supported values: "
                            "\"Ignore\", \"Warn\", \"Strict\"",
                            validation.substr(0, 64)));
  }
  return options;
}

std::optional<std::int64_t> ParseInt(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// metav1.DeleteOptions, in the body or in the query.
struct DeleteRequest {
  kube::DeleteOptions how;
  bool dry_run = false;
};
base::Result<DeleteRequest> DeleteRequestOf(const net::Request& request) {
  DeleteRequest result;
  Json body = Json::object();
  if (!request.body.empty()) {
    ASSIGN_OR_RETURN(body, DecodeRequestBody(request.Header("Content-Type"), request.body));
    if (!body.is_object()) {
      return Fail(ErrorKind::kInvalidArgument, "DeleteOptions must be an object");
    }
  }
  const auto text = [&](const char* field) -> base::Result<std::string> {
    const Json& value = At(body, field);
    if (value.is_null()) return request.Query(field).value_or("");
    if (value.is_string()) return value.get<std::string>();
    return Fail(ErrorKind::kInvalidArgument, fmt::format("{} must be a string", field));
  };
  ASSIGN_OR_RETURN(result.how.propagation, text("propagationPolicy"));
  if (const Json& grace = At(body, "gracePeriodSeconds"); grace.is_number_integer()) {
    result.how.grace_period_seconds = kube::IntAt(body, "gracePeriodSeconds");
  } else if (!grace.is_null()) {
    return Fail(ErrorKind::kInvalidArgument, "gracePeriodSeconds must be an integer");
  } else if (const auto query = request.Query("gracePeriodSeconds")) {
    result.how.grace_period_seconds = ParseInt(*query);
    if (!result.how.grace_period_seconds) {
      return Fail(ErrorKind::kInvalidArgument, "gracePeriodSeconds must be an integer");
    }
  }
  if (const Json& orphan = At(body, "orphanDependents"); orphan.is_boolean()) {
    if (result.how.propagation.empty()) {
      result.how.propagation = orphan.get<bool>() ? "Orphan" : "Background";
    }
  }
  result.how.uid = StringAt(body, "preconditions.uid");
  if (const std::string& version = StringAt(body, "preconditions.resourceVersion");
      !version.empty()) {
    const auto number = ParseInt(version);
    if (!number || *number <= 0) {
      return Fail(ErrorKind::kInvalidArgument,
                  "preconditions.resourceVersion must be a resource version of this server");
    }
    result.how.revision = kube::Revision{static_cast<std::uint64_t>(*number)};
  }
  for (const Json& one : At(body, "dryRun")) result.dry_run = result.dry_run || one == "All";
  return result;
}

void NoteWrite(const WriteResult& result, WriteNote& note) {
  note.unchanged = result.unchanged;
  if (!result.object || *result.object == nullptr) return;
  note.name = (*result.object)->name();
  note.uid = (*result.object)->uid();
}

// The Warning header (RFC 7234, 5.5): kubectl prints what it says.
void AddWarnings(const std::vector<std::string>& warnings, net::Response& response) {
  std::string header;
  for (const std::string& warning : warnings) {
    std::string quoted;
    for (const char c : warning) {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c >= ' ' && c < 127 ? c : '?';
    }
    header += fmt::format("{}299 - \"{}\"", header.empty() ? "" : ", ", quoted);
  }
  if (!header.empty()) response.headers["Warning"] = std::move(header);
}

}  // namespace

base::Result<Filter> FilterOf(const Exchange& exchange) {
  Filter filter{.ns = exchange.info.ns};
  if (const auto labels = exchange.request.Query("labelSelector")) {
    ASSIGN_OR_RETURN(filter.labels, kube::LabelSelector::Parse(*labels));
  }
  std::string fields = exchange.request.Query("fieldSelector").value_or("");
  if (!exchange.info.name.empty()) {
    const std::string one =
        kube::FieldSelector::Equal("metadata.name", exchange.info.name).ToString();
    fields = fields.empty() ? one : fields + "," + one;
  }
  if (!fields.empty()) {
    ASSIGN_OR_RETURN(filter.fields, kube::FieldSelector::Parse(fields));
  }
  return filter;
}

void ResourceHandler::Connect(std::string resource, ConnectHandler handler) {
  std::unique_lock lock(mutex_);
  connects_[std::move(resource)] = std::move(handler);
}

asio::awaitable<void> ResourceHandler::ServeConnect(Exchange& exchange, const std::string& name) {
  ConnectHandler handler;
  {
    std::shared_lock lock(mutex_);
    if (const auto found = connects_.find(name); found != connects_.end()) handler = found->second;
  }
  if (!handler) {
    co_await exchange.writer.Send(ErrorResponse(UnknownResource(), DetailsOf(exchange)));
    co_return;
  }
  co_await handler(exchange);
}

asio::awaitable<void> ResourceHandler::Serve(Exchange& exchange) {
  const RequestInfo& info = exchange.info;
  Call call;
  call.resource = machinery_.registry().Find(info.group, info.version, info.resource);
  std::optional<base::Error> refused;
  if (call.resource == nullptr || (!call.resource->kind.namespaced && !info.ns.empty())) {
    refused = UnknownResource();
  } else if (!info.subresource.empty()) {
    call.subresource = call.resource->FindSubresource(info.subresource);
    if (call.subresource == nullptr) {
      refused = UnknownResource();
    } else if (std::ranges::find(call.subresource->verbs, info.verb) ==
               call.subresource->verbs.end()) {
      refused = MethodNotAllowed();
    }
  } else if (!call.resource->HasVerb(info.verb) || (info.verb == "create" && !info.name.empty()) ||
             (info.verb == "update" && info.name.empty()) ||
             (info.verb == "patch" && info.name.empty())) {
    refused = MethodNotAllowed();
  }
  const bool everywhere = info.verb == "list" || info.verb == "watch";
  if (!refused && call.resource->kind.namespaced && info.ns.empty() && !everywhere) {
    refused = MethodNotAllowed();
  }
  if (!refused && call.subresource != nullptr && call.subresource->connect) {
    co_await ServeConnect(exchange, call.resource->kind.GroupResource() + "/" + info.subresource);
    co_return;
  }
  if (!refused) {
    if (auto negotiated = Negotiate(exchange.request.Header("Accept"))) {
      call.negotiated = *std::move(negotiated);
    } else {
      refused = negotiated.error();
    }
  }
  if (!refused) {
    if (auto options = WriteOptionsOf(exchange)) {
      call.options = *std::move(options);
    } else {
      refused = options.error();
    }
  }
  if (refused) {
    co_await exchange.writer.Send(ErrorResponse(*refused, DetailsOf(exchange)));
    co_return;
  }
  if (info.verb == "watch") {
    auto filter = FilterOf(exchange);
    if (!filter) {
      co_await exchange.writer.Send(ErrorResponse(filter.error()));
    } else if (call.resource->storage != nullptr) {
      co_await exchange.writer.Send(ErrorResponse(MethodNotAllowed(), DetailsOf(exchange)));
    } else {
      co_await ServeWatch(exchange, machinery_, call.resource, *std::move(filter), call.negotiated);
    }
    co_return;
  }
  net::Response response;
  if (!info.mutating()) {
    response = co_await Read(exchange, call);
  } else if (call.resource->storage != nullptr) {
    response = CreateVirtual(exchange, call);
  } else if (info.verb == "delete") {
    response = co_await DeleteOne(exchange, call);
  } else if (info.verb == "deletecollection") {
    response = co_await DeleteMany(exchange, call);
  } else {
    response = co_await Write(exchange, call);
  }
  co_await exchange.writer.Send(std::move(response));
}

asio::awaitable<net::Response> ResourceHandler::Read(Exchange& exchange, const Call& call) {
  const RequestInfo& info = exchange.info;
  if (info.verb == "list") co_return List(exchange, call);
  const Resource& resource = *call.resource;
  base::Result<kube::ObjectPtr> object = [&]() -> base::Result<kube::ObjectPtr> {
    if (resource.storage == nullptr) return machinery_.Get(resource, info.ns, info.name);
    ASSIGN_OR_RETURN(Json made, resource.storage->Get(info.ns, info.name));
    return std::make_shared<const kube::Object>(std::move(made));
  }();
  if (!object) co_return ErrorResponse(object.error(), DetailsOf(exchange));
  if (call.subresource != nullptr && call.subresource->view) {
    co_return JsonResponse(200, call.subresource->view((*object)->json()));
  }
  co_return RenderObject(200, resource, *object, call.negotiated, exchange.request,
                         machinery_.clock().WallNow());
}

net::Response ResourceHandler::List(const Exchange& exchange, const Call& call) {
  const Resource& resource = *call.resource;
  const auto fail = [&](const base::Error& error) {
    return ErrorResponse(error, {.group = exchange.info.group, .kind = exchange.info.resource});
  };
  auto filter = FilterOf(exchange);
  if (!filter) return fail(filter.error());
  std::size_t limit = 0;
  if (const auto text = exchange.request.Query("limit"); text && !text->empty()) {
    const auto number = ParseInt(*text);
    if (!number || *number < 0) {
      return fail({ErrorKind::kInvalidArgument, "limit must be a number that is not negative"});
    }
    limit = static_cast<std::size_t>(*number);
  }
  if (resource.storage != nullptr) {
    auto items = resource.storage->List(exchange.info.ns);
    if (!items) return fail(items.error());
    Page page;
    for (Json& item : *items) {
      auto object = std::make_shared<const kube::Object>(std::move(item));
      if (filter->Matches(*object)) page.items.push_back(std::move(object));
    }
    return RenderList(resource, page, call.negotiated, exchange.request,
                      machinery_.clock().WallNow());
  }
  const std::string token = exchange.request.Query("continue").value_or("");
  const std::string version = exchange.request.Query("resourceVersion").value_or("");
  const std::string match = exchange.request.Query("resourceVersionMatch").value_or("");
  auto page = machinery_.List(resource, *filter, limit, token);
  if (!page) return fail(page.error());
  if (!version.empty() && token.empty()) {
    const auto number = ParseInt(version);
    if (!number || *number < 0) {
      return fail({ErrorKind::kInvalidArgument,
                   "resourceVersion must be a resource version of this server, or \"0\""});
    }
    const auto asked = kube::Revision{static_cast<std::uint64_t>(*number)};
    if (asked > page->revision) {
      kube::StatusDetails details{.retry_after_seconds = 1};
      details.causes = Json::array(
          {{{"reason", "ResourceVersionTooLarge"}, {"message", "Too large resource version"}}});
      return ErrorResponse(
          {ErrorKind::kDeadlineExceeded, fmt::format("Too large resource version: {}, current: {}",
                                                     *number, std::to_underlying(page->revision))},
          details);
    }
    if (match == "Exact" && asked != page->revision) {
      return fail({ErrorKind::kExpired,
                   "The resourceVersion for the provided list is too old: only the present state "
                   "is kept"});
    }
  }
  return RenderList(resource, *page, call.negotiated, exchange.request,
                    machinery_.clock().WallNow());
}

net::Response ResourceHandler::CreateVirtual(Exchange& exchange, const Call& call) {
  auto body = DecodeRequestBody(exchange.request.Header("Content-Type"), exchange.request.body);
  if (!body) return ErrorResponse(body.error(), DetailsOf(exchange));
  // Zero values that a typed client writes vanish, as in stored objects.
  if (auto normal = Schema::BuiltIn().Normalise(call.resource->kind.kind, *body); !normal) {
    return ErrorResponse(normal.error(), DetailsOf(exchange));
  }
  if (!body->is_object()) {
    return ErrorResponse({ErrorKind::kInvalidArgument, "the body must be an object"},
                         DetailsOf(exchange));
  }
  auto made = call.resource->storage->Create(exchange.info.ns, *std::move(body), exchange.who);
  if (!made) return ErrorResponse(made.error(), DetailsOf(exchange));
  exchange.wrote.unchanged = true;  // nothing is kept of it
  (*made)["kind"] = call.resource->kind.kind;
  (*made)["apiVersion"] = call.resource->kind.ApiVersion();
  return JsonResponse(201, *made);
}

asio::awaitable<net::Response> ResourceHandler::Write(Exchange& exchange, const Call& call) {
  const RequestInfo& info = exchange.info;
  const net::Request& request = exchange.request;
  const std::string_view type = request.Header("Content-Type");
  const bool creates = info.verb == "create" && call.subresource == nullptr;
  std::function<void(WriteCallback)> start;
  if (info.verb == "patch") {
    const auto patch_type = kube::PatchTypeOf(type);
    if (!patch_type) co_return ErrorResponse(patch_type.error(), DetailsOf(exchange));
    auto patch = kube::DecodeBody("application/json", request.body);
    if (!patch) co_return ErrorResponse(patch.error(), DetailsOf(exchange));
    start = [&, kind = *patch_type, patch = std::move(*patch)](WriteCallback done) mutable {
      machinery_.Patch(call.resource, info.ns, info.name, info.subresource, kind, std::move(patch),
                       call.options, std::move(done));
    };
  } else {
    auto body = DecodeRequestBody(type, request.body);
    if (!body) co_return ErrorResponse(body.error(), DetailsOf(exchange));
    // The path of a create has no name: it is the object's, or what was asked for.
    exchange.wrote.name = StringAt(*body, "metadata.name");
    if (exchange.wrote.name.empty()) {
      exchange.wrote.name = StringAt(*body, "metadata.generateName");
    }
    start = [&, creates, body = std::move(*body)](WriteCallback done) mutable {
      if (creates) {
        machinery_.Create(call.resource, info.ns, std::move(body), call.options, std::move(done));
      } else {
        machinery_.Update(call.resource, info.ns, info.name, info.subresource, std::move(body),
                          call.options, std::move(done));
      }
    };
  }
  const WriteResult result = co_await AwaitWrite(std::move(start));
  NoteWrite(result, exchange.wrote);
  if (!result.object) co_return ErrorResponse(result.object.error(), result.details);
  net::Response response;
  if (call.subresource != nullptr && info.verb == "create") {
    response = JsonResponse(201, kube::SuccessStatus());
  } else if (call.subresource != nullptr && call.subresource->view) {
    response = JsonResponse(200, call.subresource->view((*result.object)->json()));
  } else {
    response = RenderObject(creates ? 201 : 200, *call.resource, *result.object, call.negotiated,
                            request, machinery_.clock().WallNow());
  }
  AddWarnings(result.warnings, response);
  co_return response;
}

asio::awaitable<net::Response> ResourceHandler::DeleteOne(Exchange& exchange, const Call& call) {
  const RequestInfo& info = exchange.info;
  auto asked = DeleteRequestOf(exchange.request);
  if (!asked) co_return ErrorResponse(asked.error(), DetailsOf(exchange));
  WriteOptions options = call.options;
  options.dry_run = options.dry_run || asked->dry_run;
  exchange.wrote.dry_run = options.dry_run;
  const WriteResult result = co_await AwaitWrite([&](WriteCallback done) {
    machinery_.Delete(call.resource, info.ns, info.name, asked->how, options, std::move(done));
  });
  NoteWrite(result, exchange.wrote);
  if (!result.object) co_return ErrorResponse(result.object.error(), result.details);
  if (result.removed) co_return JsonResponse(200, kube::SuccessStatus(result.details));
  co_return RenderObject(200, *call.resource, *result.object, call.negotiated, exchange.request,
                         machinery_.clock().WallNow());
}

asio::awaitable<net::Response> ResourceHandler::DeleteMany(Exchange& exchange, const Call& call) {
  auto asked = DeleteRequestOf(exchange.request);
  auto filter = FilterOf(exchange);
  if (!asked || !filter) {
    co_return ErrorResponse(asked ? filter.error() : asked.error(), DetailsOf(exchange));
  }
  WriteOptions options = call.options;
  options.dry_run = options.dry_run || asked->dry_run;
  exchange.wrote.dry_run = options.dry_run;
  auto deleted = std::make_shared<std::vector<kube::ObjectPtr>>();
  const WriteResult result = co_await AwaitWrite([&, deleted](WriteCallback done) {
    machinery_.DeleteCollection(
        call.resource, *filter, asked->how, options,
        [deleted, done = std::move(done)](base::Result<std::vector<kube::ObjectPtr>> all) {
          if (all) *deleted = std::move(*all);
          done({all ? base::Result<kube::ObjectPtr>(nullptr) : std::unexpected(all.error())});
        });
  });
  if (!result.object) co_return ErrorResponse(result.object.error(), DetailsOf(exchange));
  exchange.wrote.unchanged = deleted->empty();
  Page page{.items = std::move(*deleted), .revision = machinery_.store().revision()};
  co_return RenderList(*call.resource, page, call.negotiated, exchange.request,
                       machinery_.clock().WallNow());
}

}  // namespace enclave::cluster
