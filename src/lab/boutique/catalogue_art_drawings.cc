#include "lab/boutique/catalogue_art_drawings.h"

namespace enclave::lab::boutique {

constexpr std::string_view kSunglassesShapes = R"svg(
<defs><linearGradient id="lens" x1="0" y1="0" x2="0.6" y2="1"><stop offset="0" stop-color="#5b4a63"/>
<stop offset="0.55" stop-color="#a4646b"/><stop offset="1" stop-color="#f0b27a"/></linearGradient></defs>
<g fill="none" stroke="#6b3f22" stroke-width="11" stroke-linecap="round">
<path d="M70 172C56 160 52 140 60 118"/><path d="M330 172c14-12 18-32 10-54"/></g>
<g id="half"><path d="M72 170q-2-20 18-22c34-4 62-4 88 4q12 4 10 18l-8 44c-5 32-26 46-54 46-32 0-47-18-51-50z"
 fill="url(#lens)" stroke="#7d4a29" stroke-width="12" stroke-linejoin="round"/>
<path d="M96 174l34-14M94 196l62-26" stroke="#fff" stroke-opacity=".35" stroke-width="7" stroke-linecap="round"/></g>
<g transform="matrix(-1 0 0 1 400 0)"><path d="M72 170q-2-20 18-22c34-4 62-4 88 4q12 4 10 18l-8 44c-5 32-26 46-54 46-32 0-47-18-51-50z"
 fill="url(#lens)" stroke="#7d4a29" stroke-width="12" stroke-linejoin="round"/></g>
<path d="M238 196l60-25M244 214l66-27" stroke="#fff" stroke-opacity=".3" stroke-width="7" stroke-linecap="round"/>
<path d="M186 168q14-14 28 0" fill="none" stroke="#7d4a29" stroke-width="12" stroke-linecap="round"/>
<circle cx="82" cy="162" r="4" fill="#f4d9a8"/><circle cx="318" cy="162" r="4" fill="#f4d9a8"/>
)svg";

constexpr std::string_view kTankTopShapes = R"svg(
<defs><clipPath id="top"><path d="M144 88h28c0 46 12 68 28 68s28-22 28-68h28c-2 40 6 66 36 84l-8 142c-54 16-114 16-168 0l-8-142c30-18 38-44 36-84z"/></clipPath></defs>
<path d="M144 88h28c0 46 12 68 28 68s28-22 28-68h28c-2 40 6 66 36 84l-8 142c-54 16-114 16-168 0l-8-142c30-18 38-44 36-84z" fill="#fdf8ef"/>
<g clip-path="url(#top)" fill="none" stroke="#2f6f73" stroke-width="13">
<path d="M100 196c66 18 134 18 200 0M100 232c66 18 134 18 200 0M100 268c66 18 134 18 200 0M100 304c66 18 134 18 200 0"/>
<path d="M262 150c-14 60-10 120 4 180l40 0 0-190z" fill="#17383b" fill-opacity=".10" stroke="none"/></g>
<g fill="none" stroke="#2f6f73" stroke-width="6" stroke-linecap="round"><path d="M172 88c0 46 12 68 28 68s28-22 28-68"/>
<path d="M144 88c2 40-6 66-36 84M256 88c-2 40 6 66 36 84"/></g>
<g fill="none" stroke="#b98b58" stroke-width="7" stroke-linecap="round" stroke-linejoin="round">
<path d="M128 92l72-36 72 36"/><path d="M200 56c0-14 18-12 18-26 0-10-9-16-18-16s-16 6-17 13"/></g>
)svg";

constexpr std::string_view kWatchShapes = R"svg(
<defs><linearGradient id="strap" x1="0" x2="1"><stop offset="0" stop-color="#6d4127"/><stop offset=".5" stop-color="#93603b"/>
<stop offset="1" stop-color="#6d4127"/></linearGradient></defs>
<path d="M158 138l8-104q1-10 11-10h46q10 0 11 10l8 104zM158 262l8 104q1 10 11 10h46q10 0 11-10l8-104z" fill="url(#strap)"/>
<g fill="none" stroke="#e7c9a3" stroke-width="2.5" stroke-dasharray="6 5"><path d="M172 120l6-86M228 120l-6-86M172 280l6 86M228 280l-6 86"/></g>
<g fill="#4a2a18"><circle cx="200" cy="318" r="4"/><circle cx="200" cy="336" r="4"/><circle cx="200" cy="354" r="4"/></g>
<rect x="284" y="190" width="18" height="20" rx="5" fill="#c79a4b"/>
<circle cx="200" cy="200" r="88" fill="#d9ae5f"/><circle cx="200" cy="200" r="88" fill="none" stroke="#b98a3c" stroke-width="4"/>
<circle cx="200" cy="200" r="73" fill="#fbf7ee"/>
<circle cx="200" cy="200" r="62" fill="none" stroke="#33302c" stroke-width="9" pathLength="120" stroke-dasharray="1.4 8.6" stroke-dashoffset=".7"/>
<circle cx="200" cy="236" r="15" fill="none" stroke="#c9c0b0" stroke-width="2"/><path d="M200 236v-10" stroke="#a34a34" stroke-width="2.5" stroke-linecap="round"/>
<g stroke="#33302c" stroke-linecap="round"><path d="M200 200l-32-22" stroke-width="7"/><path d="M200 200l30-42" stroke-width="5"/></g>
<circle cx="200" cy="200" r="6" fill="#a34a34"/><path d="M148 168a62 62 0 0 1 44-28" fill="none" stroke="#fff" stroke-width="7" stroke-linecap="round" opacity=".8"/>
)svg";

constexpr std::string_view kLoafersShapes = R"svg(
<defs><g id="shoe"><path d="M62 254c-6-34 0-66 12-88q5-9 15-5c24 9 52 7 74-5q10-5 17 4c30 38 72 56 118 62 32 4 44 16 44 38z" fill="#8d4b2e"/>
<path d="M62 254c-4-20-4-40-1-58 22 14 36 34 40 58z" fill="#7b3e25"/>
<path d="M180 160c30 38 72 56 118 62 22 3 35 9 40 20-46 10-90 4-128-20-20-13-34-33-44-58z" fill="#a35a38"/>
<path d="M150 196c20-4 40-16 52-32l26 24c-14 22-38 40-66 48z" fill="#6f3821"/><path d="M170 208l40-30 10 10-42 34z" fill="#f1dcc1"/>
<path d="M84 163c24 9 56 6 78-6l8 12c-28 16-62 18-90 8z" fill="#f1dcc1"/>
<path d="M58 252h284q6 0 6 8v4q0 8-8 8H64q-8 0-8-8v-6q0-6 2-6z" fill="#3c251a"/><path d="M58 270h62v12q0 6-6 6H64q-6 0-6-6z" fill="#2d1b12"/>
<path d="M232 222c26 14 58 20 88 18" fill="none" stroke="#fff" stroke-opacity=".25" stroke-width="5" stroke-linecap="round"/></g></defs>
<g transform="translate(72 6) scale(.82)"><use href="#shoe" opacity=".86"/></g><g transform="translate(-4 58) scale(.98)"><use href="#shoe"/></g>
)svg";

constexpr std::string_view kHairdryerShapes = R"svg(
<g fill="none" stroke="#fff" stroke-width="7" stroke-linecap="round" opacity=".85">
<path d="M318 124c14-8 22 8 36 0M318 152c16-8 26 8 44 0M318 180c14-8 22 8 36 0"/></g>
<path d="M142 216l-16 100q-2 16 14 18l26 3q15 1 18-14l18-106z" fill="#2f4858"/>
<path d="M136 326c-10 22-34 20-52 34" fill="none" stroke="#22343f" stroke-width="8" stroke-linecap="round"/>
<rect x="156" y="246" width="16" height="34" rx="8" transform="rotate(9 164 263)" fill="#e8a598"/>
<path d="M150 84c40-4 84 8 122 20q10 3 10 14v70q0 11-10 14c-38 12-82 24-122 20a69 69 0 0 1 0-138z" fill="#f6f1e7"/>
<path d="M150 84a69 69 0 0 0 0 138c-22-38-22-100 0-138z" fill="#d8d0c2"/>
<rect x="276" y="98" width="26" height="110" rx="9" fill="#2f4858"/>
<circle cx="156" cy="153" r="34" fill="none" stroke="#c4574a" stroke-width="9"/><circle cx="156" cy="153" r="14" fill="#c4574a"/>
<path d="M206 112c20 2 38 6 54 11" stroke="#fff" stroke-width="8" stroke-linecap="round" fill="none"/>
)svg";

constexpr std::string_view kCandleHolderShapes = R"svg(
<defs><radialGradient id="glow"><stop offset="0" stop-color="#ffe9ad" stop-opacity=".95"/><stop offset="1" stop-color="#ffe9ad" stop-opacity="0"/></radialGradient>
<linearGradient id="brass" x1="0" x2="1"><stop offset="0" stop-color="#9c7430"/><stop offset=".45" stop-color="#e7c477"/><stop offset="1" stop-color="#94692a"/></linearGradient>
<g id="candle"><circle cx="0" cy="-176" r="62" fill="url(#glow)"/><path d="M0-204c16 20 20 30 13 42a15 15 0 0 1-26 0c-7-12-2-24 13-42z" fill="#f6a23c"/>
<path d="M0-186c8 11 9 17 5 23a7 7 0 0 1-10 0c-4-6-1-13 5-23z" fill="#fff3c9"/><path d="M0-152v12" stroke="#46382b" stroke-width="4"/>
<rect x="-17" y="-142" width="34" height="112" rx="6" fill="#fbf4e6"/><path d="M-17-128c6 14 10 4 12 22s8 10 9-2 6-14 13-16v-12q0-6-6-6h-22q-6 0-6 6z" fill="#fff"/>
<rect x="7" y="-130" width="10" height="100" fill="#e6d9c1" opacity=".7"/><path d="M-30-36h60l-6 22h-48z" fill="url(#brass)"/><rect x="-7" y="-16" width="14" height="86" fill="url(#brass)"/>
<ellipse cx="0" cy="20" rx="14" ry="9" fill="url(#brass)"/><path d="M-48 92q4-26 48-26t48 26z" fill="url(#brass)"/><rect x="-52" y="90" width="104" height="10" rx="5" fill="#8a6327"/></g></defs>
<g transform="translate(142 226)"><use href="#candle"/></g><g transform="translate(268 262) scale(.7)"><use href="#candle"/></g>
)svg";

constexpr std::string_view kShakersShapes = R"svg(
<defs><g id="shaker"><path d="M-52 110C-62 40-40-20-34-60q6-34 34-34t34 34c6 40 28 100 18 170q-2 14-16 14h-72q-14 0-16-14z"/></g></defs>
<g transform="translate(142 196)"><use href="#shaker" fill="#fbf8f1"/><path d="M-34-60q6-34 34-34t34 34l3 14h-74z" fill="#c9a877"/>
<g fill="#6b5536"><circle cx="-12" cy="-70" r="3.5"/><circle cx="0" cy="-80" r="3.5"/><circle cx="12" cy="-70" r="3.5"/></g>
<path d="M-38 0c-8 36-12 66-8 100" fill="none" stroke="#fff" stroke-width="9" stroke-linecap="round"/>
<path d="M22-30c16 46 24 90 18 150h-14c14-50 10-100-4-150z" fill="#d8cfbf" opacity=".7"/>
<path d="M12 38c-4-10-24-10-24 2s26 10 26 24-24 14-28 2" fill="none" stroke="#b7673c" stroke-width="6" stroke-linecap="round"/></g>
<g transform="translate(262 196)"><use href="#shaker" fill="#35414a"/><path d="M-34-60q6-34 34-34t34 34l3 14h-74z" fill="#c9a877"/>
<g fill="#6b5536"><circle cx="-12" cy="-70" r="3.5"/><circle cx="0" cy="-80" r="3.5"/><circle cx="12" cy="-70" r="3.5"/></g>
<path d="M-38 0c-8 36-12 66-8 100" fill="none" stroke="#5d6b75" stroke-width="9" stroke-linecap="round"/>
<path d="M-12 84v-56h12q16 0 16 15t-16 15h-12" fill="none" stroke="#eec9a5" stroke-width="6" stroke-linecap="round" stroke-linejoin="round"/></g>
)svg";

constexpr std::string_view kJarShapes = R"svg(
<defs><clipPath id="glass"><rect x="112" y="130" width="176" height="194" rx="34"/></clipPath>
<g id="bean"><ellipse rx="19" ry="13" fill="#6a4028"/><path d="M-15 3c8-9 20-2 30-7" fill="none" stroke="#3f2415" stroke-width="3" stroke-linecap="round"/></g></defs>
<rect x="112" y="130" width="176" height="194" rx="34" fill="#eef6f4" fill-opacity=".75"/>
<g clip-path="url(#glass)"><rect x="100" y="222" width="200" height="120" fill="#54311d"/>
<use href="#bean" x="134" y="226"/><use href="#bean" transform="translate(168 218) rotate(28)"/><use href="#bean" transform="translate(204 226) rotate(-22)"/>
<use href="#bean" transform="translate(240 218) rotate(40)"/><use href="#bean" transform="translate(272 228) rotate(-12)"/><use href="#bean" transform="translate(126 254) rotate(50)"/>
<use href="#bean" transform="translate(160 250) rotate(-30)"/><use href="#bean" transform="translate(196 258) rotate(16)"/><use href="#bean" transform="translate(232 252) rotate(-48)"/>
<use href="#bean" transform="translate(268 260) rotate(26)"/><use href="#bean" transform="translate(142 284) rotate(-14)"/><use href="#bean" transform="translate(178 288) rotate(44)"/>
<use href="#bean" transform="translate(216 284) rotate(-28)"/><use href="#bean" transform="translate(252 292) rotate(10)"/><use href="#bean" transform="translate(160 314) rotate(24)"/><use href="#bean" transform="translate(228 314) rotate(-6)"/></g>
<rect x="112" y="130" width="176" height="194" rx="34" fill="none" stroke="#a9c4bf" stroke-width="6"/>
<path d="M132 166v92" stroke="#fff" stroke-width="11" stroke-linecap="round" opacity=".85"/><path d="M132 278v12" stroke="#fff" stroke-width="11" stroke-linecap="round" opacity=".85"/>
<rect x="104" y="92" width="192" height="46" rx="12" fill="#d8ac6d"/><path d="M106 108h188M106 122h188" stroke="#b98945" stroke-width="3" opacity=".6"/>
<rect x="128" y="134" width="144" height="9" fill="#efe7d8"/><circle cx="200" cy="80" r="16" fill="#c3924f"/><path d="M190 76a11 11 0 0 1 9-7" stroke="#ecd0a0" stroke-width="4" fill="none" stroke-linecap="round"/>
)svg";

constexpr std::string_view kMugShapes = R"svg(
<g fill="none" stroke="#fff" stroke-width="9" stroke-linecap="round" opacity=".8"><path d="M156 104c-14-18 14-28 0-48M192 104c-14-18 14-28 0-48M228 104c-14-18 14-28 0-48"/></g>
<path d="M270 172h22c56 0 52 104-8 104h-22" fill="none" stroke="#2f5d62" stroke-width="22" stroke-linecap="round"/>
<path d="M104 132h176v138q0 56-56 56h-64q-56 0-56-56z" fill="#3d777c"/>
<path d="M104 214c30 16 58-8 88 2s54 12 88-4v58q0 56-56 56h-64q-56 0-56-56z" fill="#f1e3cc"/>
<path d="M250 132h30v138q0 56-56 56h-14c30-10 40-30 40-62z" fill="#17383b" opacity=".14"/>
<ellipse cx="192" cy="132" rx="88" ry="18" fill="#2a5357"/><ellipse cx="192" cy="136" rx="74" ry="12" fill="#5b3320"/>
<path d="M126 168v72" stroke="#fff" stroke-opacity=".45" stroke-width="10" stroke-linecap="round"/>
)svg";

const std::array<Drawing, 9> kDrawings = {{
    {"OLJCESPC7Z", "Tortoiseshell sunglasses with amber lenses", "#f7d9b9", "#fbe9d3",
     kSunglassesShapes},
    {"66VCHSJNUP", "A striped tank top on a wooden hanger", "#bfdcd6", "#d7ebe6", kTankTopShapes},
    {"1YMWWN1N4O", "A gold-toned wrist watch with a leather strap", "#d9d3e8", "#eae6f3",
     kWatchShapes},
    {"L9ECAV7KIM", "A pair of brown leather loafers", "#e9dcc3", "#f5ecda", kLoafersShapes},
    {"2ZYFJ3GM2N", "A cream-coloured hairdryer", "#f2c3b8", "#f8dad2", kHairdryerShapes},
    {"0PUK6V6EV0", "Two lit candles in brass candlesticks", "#41506b", "#56678a",
     kCandleHolderShapes},
    {"LS4PSXUNUM", "A salt shaker and a pepper shaker", "#e7b8a0", "#f0cdb9", kShakersShapes},
    {"9SIQT8TOJO", "A glass jar of coffee beans with a bamboo lid", "#c9dcb8", "#dceacf",
     kJarShapes},
    {"6E92ZMYYFZ", "A steaming two-tone mug", "#f0d190", "#f7e2b6", kMugShapes},
}};

}  // namespace enclave::lab::boutique
