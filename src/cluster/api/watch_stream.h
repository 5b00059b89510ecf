// Serves a watch: what is there at first, then each change as a line of JSON, with bookmarks, until
// the client leaves or its time is over (Kubernetes API concepts, "Efficient detection of
// changes").
//
// Bounds: a client that reads too slowly has at most kMaxQueuedEvents or kMaxQueuedBytes
// waiting, then is cut off with an ERROR event 410, and lists again.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "cluster/api/exchange.h"
#include "cluster/api/negotiation.h"

namespace enclave::cluster {

inline constexpr std::size_t kMaxQueuedEvents = 8192;
inline constexpr std::size_t kMaxQueuedBytes = 32 << 20;

boost::asio::awaitable<void> ServeWatch(Exchange& exchange, Machinery& machinery,
                                        ResourcePtr resource, Filter filter, Negotiated negotiated);

}  // namespace enclave::cluster
