#include "sim/healing/mortal.h"

namespace enclave::sim {

using base::ErrorKind;
using base::Fail;
using base::Result;
using kube::ObjectPtr;

bool Death::Strikes() {
  if (!dead_ && odds_ > 0 && random_.Unit() < odds_) {
    dead_ = true;
    ++deaths_;
  }
  return dead_;
}

Result<> MortalApi::Alive() {
  if (death_.Strikes()) return Fail(ErrorKind::kCancelled, "the agent is dead");
  return {};
}

Result<ObjectPtr> MortalApi::After(Result<ObjectPtr> done) {
  RETURN_IF_ERROR(Alive());
  return done;
}

Result<ObjectPtr> MortalApi::Get(const kube::Kind& kind, const std::string& ns,
                                 const std::string& name) {
  RETURN_IF_ERROR(Alive());
  return api_.Get(kind, ns, name);
}

Result<kube::ObjectList> MortalApi::List(const kube::Kind& kind, const kube::ListOptions& options) {
  RETURN_IF_ERROR(Alive());
  return api_.List(kind, options);
}

Result<ObjectPtr> MortalApi::Create(const kube::Kind& kind, const std::string& ns,
                                    kube::Json object) {
  RETURN_IF_ERROR(Alive());
  auto done = api_.Create(kind, ns, std::move(object));
  if (done) observer_("create", kind, nullptr, (*done)->json());
  return After(std::move(done));
}

Result<ObjectPtr> MortalApi::Update(const kube::Kind& kind, kube::Json object,
                                    const std::string& subresource) {
  RETURN_IF_ERROR(Alive());
  const auto before = api_.Get(kind, kube::StringAt(object, "metadata.namespace"),
                               kube::StringAt(object, "metadata.name"));
  auto done = api_.Update(kind, std::move(object), subresource);
  if (done && before) observer_("update", kind, *before, (*done)->json());
  return After(std::move(done));
}

Result<ObjectPtr> MortalApi::Patch(const kube::Kind& kind, const std::string& ns,
                                   const std::string& name, kube::PatchType type,
                                   const kube::Json& patch, const std::string& subresource) {
  RETURN_IF_ERROR(Alive());
  const auto before = api_.Get(kind, ns, name);
  auto done = api_.Patch(kind, ns, name, type, patch, subresource);
  if (done && before) observer_("patch", kind, *before, (*done)->json());
  return After(std::move(done));
}

Result<ObjectPtr> MortalApi::Delete(const kube::Kind& kind, const std::string& ns,
                                    const std::string& name, const kube::DeleteOptions& options) {
  RETURN_IF_ERROR(Alive());
  const auto before = api_.Get(kind, ns, name);
  if (before && (options.uid.empty() || options.uid == (*before)->uid()))
    observer_("delete", kind, *before, {});
  return After(api_.Delete(kind, ns, name, options));
}

Result<std::unique_ptr<kube::WatchHandle>> MortalApi::Watch(
    const kube::Kind& kind, const kube::ListOptions& options, kube::Revision from,
    base::Executor& executor, std::function<void(const kube::WatchEvent&)> on_event) {
  RETURN_IF_ERROR(Alive());
  return api_.Watch(kind, options, from, executor, std::move(on_event));
}

Result<std::uint64_t> MortalLedger::Append(const agent::Event& event) {
  if (death_.Strikes()) return Fail(ErrorKind::kCancelled, "the agent is dead");
  if (refused_ > 0 && random_.Unit() < refused_)
    return Fail(ErrorKind::kUnavailable, "the disk is full");
  auto written = ledger_->Append(event);
  if (written) observer_(event);
  if (death_.Strikes()) return Fail(ErrorKind::kCancelled, "the agent is dead");
  return written;
}

}  // namespace enclave::sim
