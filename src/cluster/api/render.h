// Objects and lists as answers, in the representation that was negotiated.
#pragma once

#include "base/executor.h"
#include "cluster/api/machinery.h"
#include "cluster/api/negotiation.h"
#include "cluster/api/resource.h"
#include "net/http.h"

namespace enclave::cluster {

net::Response RenderObject(int status, const Resource& resource, const kube::ObjectPtr& object,
                           const Negotiated& negotiated, const net::Request& request,
                           base::WallTime now);
// A plain list is put together from the objects' stored texts, without parsing or dumping any.
net::Response RenderList(const Resource& resource, const Page& page, const Negotiated& negotiated,
                         const net::Request& request, base::WallTime now);

}  // namespace enclave::cluster
