#include "cluster/api/render.h"

#include <span>

#include "cluster/api/exchange.h"
#include "cluster/api/table.h"

namespace enclave::cluster {
namespace {

using kube::Json;

IncludeObject IncludeOf(const net::Request& request) {
  return ParseIncludeObject(request.Query("includeObject").value_or(""));
}

Json ListMeta(const Page& page) {
  Json metadata = Json::object();
  if (page.revision != kube::Revision::kNone) {
    metadata["resourceVersion"] = std::to_string(std::to_underlying(page.revision));
  }
  if (!page.continue_token.empty()) metadata["continue"] = page.continue_token;
  if (page.remaining) metadata["remainingItemCount"] = *page.remaining;
  return metadata;
}

net::Response TextOf(int status, std::string body) {
  net::Response response{.status = status};
  response.headers["Content-Type"] = "application/json";
  response.headers["Cache-Control"] = "no-cache, private";
  response.body = std::move(body);
  return response;
}

}  // namespace

net::Response RenderObject(int status, const Resource& resource, const kube::ObjectPtr& object,
                           const Negotiated& negotiated, const net::Request& request,
                           base::WallTime now) {
  switch (negotiated.representation) {
    case Representation::kTable: {
      const Json metadata = {
          {"resourceVersion", kube::StringAt(object->json(), "metadata.resourceVersion")}};
      return JsonResponse(status, RenderTable(resource, std::span(&object, 1), metadata,
                                              IncludeOf(request), true, negotiated.version, now));
    }
    case Representation::kPartialMetadata:
      return JsonResponse(status, RenderPartialMetadata(object->json(), negotiated.version));
    default:
      return TextOf(status, object->text() + "\n");
  }
}

net::Response RenderList(const Resource& resource, const Page& page, const Negotiated& negotiated,
                         const net::Request& request, base::WallTime now) {
  switch (negotiated.representation) {
    case Representation::kTable:
      return JsonResponse(200, RenderTable(resource, page.items, ListMeta(page), IncludeOf(request),
                                           true, negotiated.version, now));
    case Representation::kPartialMetadataList:
      return JsonResponse(
          200, RenderPartialMetadataList(page.items, ListMeta(page), negotiated.version));
    default:
      break;
  }
  std::size_t size = 512;
  for (const kube::ObjectPtr& item : page.items) size += item->text().size() + 1;
  std::string body;
  body.reserve(size);
  body += R"({"kind":")" + resource.kind.kind + R"(List","apiVersion":")" +
          resource.kind.ApiVersion() + R"(","metadata":)" + ListMeta(page).dump() + R"(,"items":[)";
  bool first = true;
  for (const kube::ObjectPtr& item : page.items) {
    if (!first) body += ',';
    first = false;
    body += item->text();
  }
  body += "]}\n";
  return TextOf(200, std::move(body));
}

}  // namespace enclave::cluster
