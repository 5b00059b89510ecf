// What visitors of the shop do and how often: the behaviour that Online Boutique publishes for its
// load generator. Each begins at the front page, then picks what to do next by these weights, and
// waits between one and ten seconds in between.
//
// Pure functions; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/random.h"

namespace enclave::lab::load {

enum class Action : std::uint8_t {
  kIndex,
  kSetCurrency,
  kBrowseProduct,
  kAddToCart,
  kViewCart,
  kCheckout
};

struct ActionKind {
  Action action;
  std::string_view name;
  std::uint64_t weight;
};
inline constexpr std::array<ActionKind, 6> kActions = {{
    {Action::kIndex, "index", 1},
    {Action::kSetCurrency, "setCurrency", 2},
    {Action::kBrowseProduct, "browseProduct", 10},
    {Action::kAddToCart, "addToCart", 2},
    {Action::kViewCart, "viewCart", 3},
    {Action::kCheckout, "checkout", 1},
}};
inline std::string_view NameOf(Action action) {
  return kActions[static_cast<std::size_t>(action)].name;
}

Action ChooseAction(base::Random& random);

// Uniform between 1 s and 10 s; `scale` stretches it.
base::Duration ChooseWait(base::Random& random, double scale);
inline constexpr double kMeanWaitSeconds = 5.5;

// What visitors pick from before they have seen the shop's front page, and the currencies they try.
const std::vector<std::string>& PublishedProducts();
const std::vector<std::string>& TriedCurrencies();

// The checkout form as a visitor fills it in: made-up people, a card number that passes the check
// of its last digit. `year` is the current one.
std::string ChooseCheckoutForm(base::Random& random, int year);

}  // namespace enclave::lab::load
