// Requests about resources: from a path, a verb and a body to the machinery, and back as the
// representation that the client asked for. Knows no kind by name.
#pragma once

#include <functional>
#include <map>
#include <shared_mutex>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "cluster/api/exchange.h"

namespace enclave::cluster {

// Serves a connect subresource (Subresource::connect): log, token, and whatever streams are to
// come. Answers through exchange.writer.
using ConnectHandler = std::function<boost::asio::awaitable<void>(Exchange& exchange)>;

class ResourceHandler {
 public:
  explicit ResourceHandler(Machinery& machinery) : machinery_(machinery) {}

  // `resource` is "pods/log": Kind::GroupResource() and the subresource. Thread-safe.
  void Connect(std::string resource, ConnectHandler handler);

  boost::asio::awaitable<void> Serve(Exchange& exchange);

 private:
  struct Call;  // what all steps of one request need
  using Response = net::Response;

  boost::asio::awaitable<void> ServeConnect(Exchange& exchange, const std::string& name);
  boost::asio::awaitable<Response> Read(Exchange& exchange, const Call& call);
  boost::asio::awaitable<Response> Write(Exchange& exchange, const Call& call);
  boost::asio::awaitable<Response> DeleteOne(Exchange& exchange, const Call& call);
  boost::asio::awaitable<Response> DeleteMany(Exchange& exchange, const Call& call);
  Response List(const Exchange& exchange, const Call& call);
  Response CreateVirtual(Exchange& exchange, const Call& call);

  Machinery& machinery_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, ConnectHandler> connects_;  // guarded by mutex_
};

// "labelSelector" and "fieldSelector" of a request, within its namespace and, when it names one
// object, that object.
base::Result<Filter> FilterOf(const Exchange& exchange);

}  // namespace enclave::cluster
