#include "lab/boutique/page_style.h"

#include <fmt/format.h>

#include <cstdint>
#include <string>

namespace enclave::lab::boutique {

constexpr std::string_view kStyleRules = R"css(
:root{--paper:#fbf7f0;--card:#fffdf9;--ink:#2b2723;--soft:#6d645b;--line:#e6ddd0;--accent:#b5533c;--accent-dark:#8f3f2c;--dark:#43312a;--gold:#d8ac6d;
--serif:"Iowan Old Style","Palatino Linotype",Palatino,"Book Antiqua",Georgia,serif;--sans:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.6 var(--sans);min-height:100vh;display:flex;flex-direction:column}
h1,h2,h3{font-family:var(--serif);font-weight:600;line-height:1.2;margin:0;letter-spacing:-.01em}
h1{font-size:clamp(1.9rem,4vw,2.7rem)}h2{font-size:1.55rem}h3{font-size:1.08rem}
a{color:inherit}img{display:block;max-width:100%;height:auto}p{margin:.6em 0}
:focus-visible{outline:3px solid var(--gold);outline-offset:2px;border-radius:4px}
.skip{position:absolute;left:-9999px}.skip:focus{left:1rem;top:.5rem;background:#fff;padding:.4rem .8rem;z-index:9}
.wrap{width:min(1120px,100% - 2.5rem);margin-inline:auto}
main{flex:1;padding-bottom:4rem}
.notice{background:var(--dark);color:#f6e9d6;text-align:center;font-size:.83rem;padding:.38rem 1rem;letter-spacing:.02em}
header.bar{position:sticky;top:0;z-index:5;background:rgba(251,247,240,.94);backdrop-filter:blur(8px);border-bottom:1px solid var(--line)}
header.bar .wrap{display:flex;align-items:center;gap:1rem;padding-block:.8rem}
.brand{display:flex;align-items:center;gap:.65rem;text-decoration:none;font-family:var(--serif);font-size:1.4rem;font-weight:600;margin-right:auto}
.brand img{width:34px;height:34px}
select,input{font:inherit;color:inherit;background:#fff;border:1px solid #d6cabb;border-radius:9px;padding:.5rem .65rem}
.currency{display:flex;gap:.4rem}.currency select{padding:.38rem .5rem;font-size:.92rem}
.currency button{font:inherit;font-size:.85rem;border:1px solid var(--line);background:none;border-radius:9px;cursor:pointer;color:var(--soft)}
.js .currency button{display:none}
.basket{display:inline-flex;align-items:center;gap:.45rem;text-decoration:none;border:1px solid var(--line);background:var(--card);padding:.42rem .85rem;border-radius:99px;font-weight:600;font-size:.94rem}
.basket:hover{border-color:var(--accent)}.basket svg{width:19px;height:19px}
.basket b{background:var(--accent);color:#fff;border-radius:99px;min-width:1.5em;text-align:center;font-size:.78rem;padding:.06em .4em}
.hero{background:var(--dark);color:#fbf1e2;overflow:hidden}
.hero .wrap{display:grid;grid-template-columns:1.05fr 1fr;align-items:end;gap:2rem}
.hero .words{padding-block:3.6rem;align-self:center}.hero h1{font-size:clamp(2.2rem,5vw,3.5rem)}
.hero p{color:#e3d2bd;font-size:1.08rem;max-width:32em;margin:1rem 0 1.6rem}
.button{display:inline-block;font:inherit;font-weight:600;color:#fff;background:var(--accent);border:0;border-radius:11px;padding:.72rem 1.5rem;cursor:pointer;text-decoration:none;transition:background .15s}
.button:hover{background:var(--accent-dark)}.button.wide{width:100%}
.button.quiet{background:none;color:var(--soft);border:1px solid #d6cabb}.button.quiet:hover{border-color:var(--accent);color:var(--accent)}
.promises{display:grid;grid-template-columns:repeat(3,1fr);gap:1rem;border-bottom:1px solid var(--line);padding-block:1.1rem;font-size:.92rem;color:var(--soft);text-align:center}
.promises strong{display:block;color:var(--ink);font-family:var(--serif);font-size:1.04rem}
.section{padding-top:2.8rem}.section>h2{margin-bottom:1.2rem}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:1.5rem;list-style:none;margin:0;padding:0}
.card{background:var(--card);border:1px solid var(--line);border-radius:18px;overflow:hidden;transition:transform .18s,box-shadow .18s}
.card:hover{transform:translateY(-4px);box-shadow:0 16px 34px -18px rgba(67,49,42,.5)}
.card a{text-decoration:none;display:block}.card img{width:100%;aspect-ratio:1}
.card .about{display:flex;justify-content:space-between;gap:.8rem;align-items:baseline;padding:.9rem 1.1rem 1.05rem}
.money{font-variant-numeric:tabular-nums;white-space:nowrap}.card .money{font-weight:600;color:var(--accent-dark)}
.small .grid{grid-template-columns:repeat(auto-fill,minmax(220px,1fr))}
.product{display:grid;grid-template-columns:1.1fr 1fr;gap:3rem;padding-top:2.4rem;align-items:center}
.product>img{width:100%;border-radius:24px}
.crumbs{font-size:.88rem;color:var(--soft);margin-bottom:.7rem}.crumbs a{text-decoration:none}.crumbs a:hover{text-decoration:underline}
.price{font-size:1.55rem;font-weight:600;color:var(--accent-dark);margin:.5rem 0 .9rem}
.tags{display:flex;gap:.45rem;flex-wrap:wrap;list-style:none;padding:0;margin:1.1rem 0}
.tags li{font-size:.8rem;border:1px solid var(--line);border-radius:99px;padding:.12rem .75rem;color:var(--soft);background:var(--card)}
.buy{display:flex;gap:.8rem;align-items:end;margin-top:1.4rem}.buy label,.field{display:grid;gap:.25rem;font-size:.85rem;color:var(--soft)}
.buy select{min-width:4.6rem;padding-block:.66rem}.buy .button{flex:1}
.ad{display:flex;gap:1rem;align-items:center;justify-content:space-between;background:#f3e6d0;border:1px dashed #d9b98a;border-radius:16px;padding:1rem 1.3rem;margin-top:2.6rem;text-decoration:none}
.ad small{color:var(--soft);letter-spacing:.08em;text-transform:uppercase;font-size:.7rem}.ad span{font-family:var(--serif);font-size:1.1rem;flex:1}
.ad:hover{border-style:solid}
.split{display:grid;grid-template-columns:1.35fr 1fr;gap:2.4rem;align-items:start;padding-top:2.4rem}
.panel{background:var(--card);border:1px solid var(--line);border-radius:18px;padding:1.5rem}
.panel h2{font-size:1.25rem;margin-bottom:.9rem}
.head{display:flex;justify-content:space-between;align-items:center;gap:1rem;margin-bottom:1.2rem}
.lines{list-style:none;margin:0;padding:0}
.lines li{display:grid;grid-template-columns:84px 1fr auto;gap:1rem;align-items:center;padding:.9rem 0;border-bottom:1px solid var(--line)}
.lines li:first-child{padding-top:0}.lines img{width:84px;border-radius:13px}.lines h3 a{text-decoration:none}.lines h3 a:hover{text-decoration:underline}
.lines small{color:var(--soft)}.lines .money{font-weight:600}
.sums{margin:1rem 0 0;display:grid;gap:.35rem}.sums div{display:flex;justify-content:space-between;color:var(--soft)}
.sums dd{margin:0}.sums .total{color:var(--ink);font-weight:600;font-size:1.2rem;border-top:1px solid var(--line);padding-top:.7rem;margin-top:.35rem}
form.checkout{display:grid;grid-template-columns:repeat(6,1fr);gap:.85rem}
form.checkout .field{grid-column:span 6}form.checkout .half{grid-column:span 3}form.checkout .third{grid-column:span 2}
form.checkout input,form.checkout select{width:100%;min-width:0}form.checkout .button,form.checkout h2{grid-column:span 6}form.checkout .button{margin-top:.5rem}form.checkout h2{margin:0}form.checkout .field+h2{margin-top:.9rem}
.center{max-width:640px;margin:3rem auto 0;text-align:center}.center .panel{text-align:left;margin-top:1.6rem}
.tick{width:68px;height:68px;border-radius:50%;background:#dceacf;color:#47702c;display:grid;place-items:center;margin:0 auto 1.2rem}
.tick.sorry{background:#f8dad2;color:var(--accent-dark);font:600 2rem var(--serif)}
.facts{display:grid;grid-template-columns:auto 1fr;gap:.4rem 1.2rem;margin:0}.facts dt{color:var(--soft)}.facts dd{margin:0;text-align:right;overflow-wrap:anywhere}
code{font:.86em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.trace{background:#f1e8da;border-radius:9px;padding:.5rem .8rem;display:inline-block}
.empty{text-align:center;padding:3.4rem 1rem}.empty img{width:170px;margin:0 auto 1.3rem;border-radius:50%}
footer{border-top:1px solid var(--line);color:var(--soft);font-size:.84rem;padding:1.4rem 0;background:#f6efe4}
footer .wrap{display:flex;flex-wrap:wrap;gap:.4rem 1.4rem;justify-content:space-between}
@media(max-width:820px){.hero .wrap,.product,.split{grid-template-columns:1fr;gap:1.4rem}.hero .words{padding-block:2.4rem 0}.promises{grid-template-columns:1fr;gap:.5rem}.promises strong{display:inline}}
@media(max-width:520px){.grid{grid-template-columns:repeat(2,1fr)!important;gap:.8rem}.card .about{flex-direction:column;gap:0;padding:.7rem .8rem}.brand span{display:none}.lines li{grid-template-columns:60px 1fr auto}.lines img{width:60px}form.checkout .third{grid-column:span 3}.buy{flex-wrap:wrap}}
@media(prefers-reduced-motion:reduce){*{transition:none!important;scroll-behavior:auto!important}}
)css";

constexpr std::string_view kScriptText = R"js(document.documentElement.classList.add("js");
document.addEventListener("change",e=>{if(e.target.matches(".currency select"))e.target.form.submit()});
)js";

const std::string_view kStyleSheet = kStyleRules;
const std::string_view kScript = kScriptText;

std::string_view StyleVersion() {
  // FNV-1a over both, so that each release's pages name the style they were made for.
  static const std::string version = [] {
    std::uint64_t hash = 14695981039346656037U;
    for (const std::string_view text : {kStyleRules, kScriptText})
      for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
    return fmt::format("{:016x}", hash);
  }();
  return version;
}

}  // namespace enclave::lab::boutique
