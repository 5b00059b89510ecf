#include "cluster/api/request_body.h"

#include "cluster/api/schema.h"
#include "kube/body.h"

namespace enclave::cluster {
namespace {

using base::ErrorKind;
using base::Fail;
using kube::Json;

constexpr std::string_view kProtobuf = "application/vnd.kubernetes.protobuf";
constexpr std::string_view kMagic{"k8s\0", 4};

}  // namespace

base::Result<Json> DecodeRequestBody(std::string_view content_type, std::string_view body) {
  if (kube::MediaTypeOf(content_type) != kProtobuf) return kube::DecodeBody(content_type, body);
  if (body.empty()) return Json::object();
  if (!body.starts_with(kMagic)) {
    return Fail(ErrorKind::kInvalidArgument,
                "the body does not begin as a Kubernetes protobuf message does");
  }
  const Schema& schema = Schema::BuiltIn();
  ASSIGN_OR_RETURN(const Json envelope,
                   schema.DecodeProtobuf("Unknown", body.substr(kMagic.size())));
  const std::string& kind = kube::StringAt(envelope, "typeMeta.kind");
  ASSIGN_OR_RETURN(Json object, schema.DecodeProtobuf(kind, kube::StringAt(envelope, "raw")));
  object["apiVersion"] = kube::StringAt(envelope, "typeMeta.apiVersion");
  object["kind"] = kind;
  // JSON has checked its text; here it is yet to be.
  try {
    static_cast<void>(object.dump());
  } catch (const Json::exception&) {
    return Fail(ErrorKind::kInvalidArgument, "the protobuf body holds text that is not UTF-8");
  }
  return object;
}

}  // namespace enclave::cluster
