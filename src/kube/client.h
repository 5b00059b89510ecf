// The Api of a real cluster over HTTPS, and raw requests beside it for what has no typed call
// (logs, reviews, metrics).
//
// Lists are read in pages of 500. Watches ask for bookmarks and end by themselves after a random 5
// to 10 minutes with kDeadlineExceeded (the informer goes on from there); one that is overwhelmed
// ends with kResourceExhausted. Answers 429, 503 and 504 with Retry-After are tried again up to
// three times, waiting at most five seconds each. A token file is read again each minute, and at
// once after a 401. Tokens never travel over plain HTTP.
//
// Thread safety: all methods may be called from any thread but the loop's own, as they block.
// Ownership: loop and random outlive the client, the client outlives its watches. The executor of a
// watch outlives the loop, which posts to it (or the loop is stopped first).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/random.h"
#include "kube/api.h"
#include "kube/kubeconfig.h"
#include "net/http_client.h"
#include "trace/trace_context.h"

namespace enclave::kube {

class Client final : public Api {
 public:
  static base::Result<std::unique_ptr<Client>> Connect(net::EventLoop& loop,
                                                       const ClientConfig& config,
                                                       base::Random& random = base::SystemRandom());
  // On a transport of the caller's making; `pause` waits between tries.
  Client(net::EventLoop& loop, ClientConfig config, std::shared_ptr<net::HttpClient> http,
         base::Random& random, std::function<void(base::Duration)> pause);
  ~Client() override;

  base::Result<ObjectPtr> Get(const Kind& kind, const std::string& ns,
                              const std::string& name) override;
  base::Result<ObjectList> List(const Kind& kind, const ListOptions& options) override;
  base::Result<ObjectPtr> Create(const Kind& kind, const std::string& ns, Json object) override;
  base::Result<ObjectPtr> Update(const Kind& kind, Json object,
                                 const std::string& subresource = "") override;
  base::Result<ObjectPtr> Patch(const Kind& kind, const std::string& ns, const std::string& name,
                                PatchType type, const Json& patch,
                                const std::string& subresource = "") override;
  // When the server answers with a Status instead of the object, a bare object with only its names
  // and uid stands for the last state.
  base::Result<ObjectPtr> Delete(const Kind& kind, const std::string& ns, const std::string& name,
                                 const DeleteOptions& options) override;
  // Returns before the server answered: its refusal comes as the kError that ends the watch.
  base::Result<std::unique_ptr<WatchHandle>> Watch(
      const Kind& kind, const ListOptions& options, Revision from, base::Executor& executor,
      std::function<void(const WatchEvent&)> on_event) override;

  // One request to `path` (with its query). An answer of 400 or more is the Error of its Status.
  base::Result<net::Response> Send(const std::string& method, const std::string& path,
                                   const std::string& body = "",
                                   const std::string& content_type = "");

  // The trace that a request belongs to, asked on the thread that sends it and told to the server
  // in W3C's and B3's headers; watches have none. Set before the client is used.
  using CurrentTrace = std::function<std::optional<trace::TraceContext>()>;
  void SetCurrentTrace(CurrentTrace current);

  const ClientConfig& config() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace enclave::kube
