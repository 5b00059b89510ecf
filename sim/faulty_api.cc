#include "sim/faulty_api.h"

#include <algorithm>
#include <vector>

namespace enclave::sim {

using base::ErrorKind;
using kube::ObjectPtr;

// One open watch as its caller sees it.
struct FaultyApi::Line {
  base::Executor* executor = nullptr;
  std::string resource;
  std::function<void(const kube::WatchEvent&)> on_event;
  std::unique_ptr<kube::WatchHandle> upstream;
  base::MonoTime last_due{};
  bool open = true;
};

class FaultyApi::Handle final : public kube::WatchHandle {
 public:
  explicit Handle(std::shared_ptr<Line> line) : line_(std::move(line)) {}
  ~Handle() override {
    line_->open = false;
    line_->upstream.reset();
  }

 private:
  std::shared_ptr<Line> line_;
};

base::Result<> FaultyApi::MayRefuse(bool update) {
  if (Happens(odds_.refused)) return base::Fail(ErrorKind::kUnavailable, "the API is not there");
  if (update && Happens(odds_.conflict)) return base::Fail(ErrorKind::kConflict, "lost a race");
  return {};
}

base::Result<ObjectPtr> FaultyApi::MayLose(const kube::Kind& kind, base::Result<ObjectPtr> done) {
  if (!done || !Happens(odds_.lost_answer)) return done;
  kube::Revision& newest = unseen_[kind.GroupResource()];
  newest = std::max(newest, (*done)->revision());
  return base::Fail(ErrorKind::kUnavailable, "the answer got lost");
}

base::Result<ObjectPtr> FaultyApi::Get(const kube::Kind& kind, const std::string& ns,
                                       const std::string& name) {
  RETURN_IF_ERROR(MayRefuse(false));
  return api_.Get(kind, ns, name);
}

base::Result<kube::ObjectList> FaultyApi::List(const kube::Kind& kind,
                                               const kube::ListOptions& options) {
  RETURN_IF_ERROR(MayRefuse(false));
  auto list = api_.List(kind, options);
  if (list) {
    const auto unseen = unseen_.find(kind.GroupResource());
    if (unseen != unseen_.end() && list->revision >= unseen->second) unseen_.erase(unseen);
  }
  return list;
}

base::Result<ObjectPtr> FaultyApi::Create(const kube::Kind& kind, const std::string& ns,
                                          kube::Json object) {
  RETURN_IF_ERROR(MayRefuse(false));
  return MayLose(kind, api_.Create(kind, ns, std::move(object)));
}

base::Result<ObjectPtr> FaultyApi::Update(const kube::Kind& kind, kube::Json object,
                                          const std::string& subresource) {
  RETURN_IF_ERROR(MayRefuse(true));
  return MayLose(kind, api_.Update(kind, std::move(object), subresource));
}

base::Result<ObjectPtr> FaultyApi::Patch(const kube::Kind& kind, const std::string& ns,
                                         const std::string& name, kube::PatchType type,
                                         const kube::Json& patch, const std::string& subresource) {
  RETURN_IF_ERROR(MayRefuse(false));
  return MayLose(kind, api_.Patch(kind, ns, name, type, patch, subresource));
}

base::Result<ObjectPtr> FaultyApi::Delete(const kube::Kind& kind, const std::string& ns,
                                          const std::string& name,
                                          const kube::DeleteOptions& options) {
  RETURN_IF_ERROR(MayRefuse(false));
  return MayLose(kind, api_.Delete(kind, ns, name, options));
}

void FaultyApi::Deliver(const std::shared_ptr<Line>& line, const kube::WatchEvent& event) {
  const auto hand_over = [this, line, event] {
    if (!line->open) return;
    const auto unseen = unseen_.find(line->resource);
    if (unseen != unseen_.end() && event.revision >= unseen->second) unseen_.erase(unseen);
    const auto keep = line->on_event;
    keep(event);
  };
  const base::MonoTime now = line->executor->Now();
  base::MonoTime due = now;
  if (odds_.watch_delay > base::Duration::zero()) {
    due += base::Duration(static_cast<std::int64_t>(
        random_.Below(static_cast<std::uint64_t>(odds_.watch_delay.count()))));
  }
  due = std::max(due, line->last_due);
  if (due <= now) {
    hand_over();
    return;
  }
  line->last_due = due;
  line->executor->After(due - now, hand_over);
}

base::Result<std::unique_ptr<kube::WatchHandle>> FaultyApi::Watch(
    const kube::Kind& kind, const kube::ListOptions& options, kube::Revision from,
    base::Executor& executor, std::function<void(const kube::WatchEvent&)> on_event) {
  RETURN_IF_ERROR(MayRefuse(false));
  auto line = std::make_shared<Line>();
  line->executor = &executor;
  line->resource = kind.GroupResource();
  line->on_event = std::move(on_event);
  auto upstream = api_.Watch(kind, options, from, executor,
                             [this, weak = std::weak_ptr(line)](const kube::WatchEvent& event) {
                               const auto line = weak.lock();
                               if (line != nullptr && line->open) Deliver(line, event);
                             });
  if (!upstream) return std::unexpected(upstream.error());
  line->upstream = std::move(*upstream);
  std::erase_if(lines_, [](const auto& one) { return one.expired(); });
  lines_.push_back(line);
  return std::make_unique<Handle>(std::move(line));
}

void FaultyApi::CutWatches(ErrorKind kind) {
  const std::list<std::weak_ptr<Line>> lines = std::move(lines_);
  lines_.clear();
  for (const auto& weak : lines) {
    const auto line = weak.lock();
    if (line == nullptr || !line->open) continue;
    line->open = false;
    line->upstream.reset();
    line->executor->Post([line, kind] {
      kube::WatchEvent over{.type = kube::EventType::kError, .object = nullptr};
      over.error = base::Error(kind, "the watch was cut");
      const auto keep = line->on_event;
      keep(over);
    });
  }
}

}  // namespace enclave::sim
