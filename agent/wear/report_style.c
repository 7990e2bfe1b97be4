/* SPDX-License-Identifier: MIT */
/* The report's looks. Colours of the parts are those of Okabe and Ito, moved a little for each ground; all
 * names of colours are given once for light and once for dark. Nothing in here may name an address: the page
 * asks for nothing. */
#include "agent/wear/report_style.h"

/* Light is what print takes, so it stands first and dark is only for screens. */
#define COLOURS                                                                                      \
    ":root{--bg:#fff;--card:#f6f7f8;--ink:#1b1f24;--soft:#57606a;--line:#d5d9de;"                    \
    "--p0:#0072b2;--p1:#e69f00;--p2:#009e73;--p3:#cc79a7;--p4:#56b4e9;--p5:#b8501a;"                 \
    "--p6:#737b85;--p7:#b6bcc4;--ours:#009e73;--fine:#0b6b3a;--look:#8a5000;--act:#b3261e;"          \
    "--away:#f6d9c4;--in:#8b949e;--on:#0072b2;--off:#dfe3e8}"                                        \
    "@media screen and (prefers-color-scheme:dark){:root{--bg:#14171a;--card:#1c2024;--ink:#e6e8eb;" \
    "--soft:#a3abb5;--line:#353b42;--p0:#3d9bd6;--p1:#e8ab2e;--p2:#2bb98f;--p3:#d78fb6;"             \
    "--p4:#8fd0f5;--p5:#e0763a;--p6:#8a929c;--p7:#545c66;--ours:#2bb98f;--fine:#58c98b;"             \
    "--look:#e5b454;--act:#ff8b80;--away:#4a3020;--in:#7d8690;--on:#3d9bd6;--off:#353b42}}"

#define TEXT                                                                                             \
    "*{box-sizing:border-box}"                                                                           \
    "html{-webkit-text-size-adjust:100%;text-size-adjust:100%;background:var(--bg);color:var(--ink)}"    \
    "body{margin:0;font:15px/1.45 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",sans-serif;" \
    "overflow-wrap:anywhere}"                                                                            \
    "main{max-width:1080px;margin:0 auto;padding:20px 16px 32px}"                                        \
    "h1{font-size:1.7rem;line-height:1.2;margin:0}"                                                      \
    "h2{font-size:1.15rem;margin:2rem 0 .6rem;padding-bottom:.3rem;border-bottom:1px solid var(--line)}" \
    "h3{font-size:1.1rem;margin:0}h4{font-size:.85rem;margin:1rem 0 .35rem}"                             \
    "p{margin:.3rem 0}small,.unit,.sub,.empty,.when,.eyebrow,footer{color:var(--soft)}"                  \
    "small{font-size:.8rem;font-weight:400}.sub,.empty{font-size:.85rem}"                                \
    ".eyebrow{font-size:.8rem;margin:0}.act{color:var(--act)}.look{color:var(--look)}"                   \
    ".fine{color:var(--fine)}"                                                                           \
    ".verdict{margin:1rem 0 0;padding:.7rem 1rem;background:var(--card);border-left:5px solid;"          \
    "border-radius:0 6px 6px 0;font-size:1.1rem}.verdict p{color:var(--ink);max-width:70ch}"             \
    ".verdict .word{color:inherit;font-weight:700;font-size:.85rem;margin:0}"                            \
    ".verdict.quiet{border-color:var(--soft);color:var(--soft)}"

#define DISKS                                                                                               \
    ".disk{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:14px 16px;"        \
    "margin:0 0 14px}"                                                                                      \
    "dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:10px 16px;margin:.8rem " \
    "0 0}"                                                                                                  \
    "dt{font-size:.8rem;color:var(--soft)}dd{margin:0;font-size:1.15rem;font-weight:600;"                   \
    "font-variant-numeric:tabular-nums}dd small{display:block;line-height:1.3}dd small data{font:inherit}"  \
    "ol,ul{list-style:none;margin:0;padding:0}"                                                             \
    ".shares li{display:grid;grid-template-columns:minmax(0,17rem) minmax(0,1fr) 5.2rem 4.8rem;gap:0 12px;" \
    "align-items:center;padding:2px 0;font-size:.9rem}"                                                     \
    ".n,.pc{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"                         \
    ".pc{color:var(--soft);font-size:.85rem}"                                                               \
    ".bar{display:block;height:10px;background:var(--off);border-radius:2px}"                               \
    ".bar i{display:block;height:10px;border-radius:2px;min-width:1px}"                                     \
    ".gauge{display:grid;grid-template-columns:7rem minmax(0,20rem) auto;gap:10px;align-items:center;"      \
    "font-size:.9rem;padding:2px 0}.gauge svg{height:12px;width:100%}"                                      \
    ".on{fill:var(--on)}.bad{fill:var(--act)}.off{fill:var(--off)}"                                         \
    ".fs li,.finding{font-size:.9rem;padding:2px 0}"                                                        \
    ".spark{display:block;width:100%;height:44px;margin:2px 0 6px}"

#define CHARTS                                                                                             \
    "figure{margin:0;break-inside:avoid}figcaption{font-size:.9rem;margin:0 0 .9rem}"                      \
    ".plot{display:grid;grid-template-columns:3.6rem minmax(0,1fr);margin:.6rem 0}"                        \
    ".plot>svg{grid-column:2;grid-row:1;width:100%;display:block;overflow:hidden}"                         \
    ".tall>svg{height:240px}.mid>svg{height:150px}.low>svg{height:84px}"                                   \
    ".y{position:relative;grid-column:1;grid-row:1}.x{position:relative;grid-column:2;height:1.5rem}"      \
    ".y span,.x span{position:absolute;font-size:12px;line-height:1;color:var(--soft);"                    \
    "white-space:nowrap;font-variant-numeric:tabular-nums}"                                                \
    ".y span{right:8px;transform:translateY(50%)}"                                                         \
    ".x span{top:8px;transform:translateX(-50%)}.x .begin{transform:none}"                                 \
    ".x .end{transform:translateX(-100%)}"                                                                 \
    ".x span:before{content:\"\";position:absolute;top:-8px;left:50%;height:5px;border-left:1px solid "    \
    "var(--soft)}"                                                                                         \
    ".x .begin:before{left:0}.x .end:before{left:100%}"                                                    \
    "path{vector-effect:non-scaling-stroke}.grid{stroke:var(--line)}.base{stroke:var(--soft)}"             \
    ".p0{fill:var(--p0);background:var(--p0)}.p1{fill:var(--p1);background:var(--p1)}"                     \
    ".p2{fill:var(--p2);background:var(--p2)}.p3{fill:var(--p3);background:var(--p3)}"                     \
    ".p4{fill:var(--p4);background:var(--p4)}.p5{fill:var(--p5);background:var(--p5)}"                     \
    ".p6{fill:var(--p6);background:var(--p6)}.p7{fill:var(--p7);background:var(--p7)}"                     \
    ".ours{background:var(--ours)}g:hover path{opacity:.7}"                                                \
    ".c{fill:none;stroke-width:2}.in{stroke:var(--in);border-color:var(--in);stroke-width:4}"              \
    ".delivered{stroke:var(--p0);border-color:var(--p0)}"                                                  \
    ".lost{stroke:var(--act);border-color:var(--act);stroke-dasharray:5 3;border-style:dashed!important}"  \
    ".ring{stroke:var(--p2);border-color:var(--p2)}"                                                       \
    ".backlog{stroke:var(--p5);border-color:var(--p5);stroke-dasharray:5 3;border-style:dashed!important}" \
    ".away{fill:var(--away);background:var(--away)}.t{fill:transparent}"                                   \
    ".legend{margin:.5rem 0 .5rem "                                                                        \
    "3.6rem;display:grid;grid-template-columns:repeat(auto-fill,minmax(290px,1fr));"                       \
    "gap:2px 28px;font-size:.9rem}ul.legend{grid-template-columns:repeat(auto-fill,minmax(170px,1fr))}"    \
    ".legend li{display:flex;gap:8px;align-items:baseline}.legend .n{margin-left:auto}"                    \
    ".key{flex:none;width:12px;height:12px;border-radius:2px;align-self:center}"                           \
    ".key.c{height:0;width:18px;border-top-width:2px;border-top-style:solid;border-radius:0;background:"   \
    "none}"                                                                                                \
    ".key.in{border-top-width:4px}"

#define REST                                                                                              \
    "details{margin:.6rem 0;font-size:.85rem}summary{cursor:pointer;color:var(--soft)}"                   \
    ".scroll{overflow-x:auto;max-height:26rem;overflow-y:auto}"                                           \
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums;overflow-wrap:normal}"              \
    "th,td{padding:2px 12px 2px 0;text-align:right;font-weight:400;white-space:nowrap}"                   \
    "th:first-child{text-align:left}thead th{color:var(--soft);border-bottom:1px solid var(--line)}"      \
    ".finding{padding:.5rem 0;border-bottom:1px solid var(--line);font-size:1rem}"                        \
    ".finding p{font-size:.9rem;color:var(--soft);margin:0}"                                              \
    "footer{margin-top:2rem;border-top:1px solid var(--line);padding-top:.6rem;font-size:.8rem}"          \
    "@media(max-width:600px){body{font-size:15px}h1{font-size:1.4rem}.verdict{font-size:1rem}"            \
    ".disk{padding:12px}dl{grid-template-columns:repeat(2,minmax(0,1fr))}"                                \
    ".shares li{grid-template-columns:minmax(0,1fr) auto auto;padding:4px 0;gap:2px 10px}"                \
    ".bar{grid-column:1/-1;grid-row:2;height:6px}.bar i{height:6px}"                                      \
    ".plot{grid-template-columns:3.2rem minmax(0,1fr)}.tall>svg{height:200px}"                            \
    ".legend,ul.legend{margin-left:0;grid-template-columns:minmax(0,1fr)}"                                \
    ".gauge{grid-template-columns:6rem minmax(0,1fr);gap:2px 10px}.gauge span:last-child{grid-column:2}}" \
    "@media print{@page{margin:14mm}body{font-size:10pt}main{max-width:none;padding:0}"                   \
    ".disk,.verdict{background:none}.disk{padding:8px 0;border-width:1px 0 0;border-radius:0}"            \
    "details{display:none}h2,h3,h4{break-after:avoid}"                                                    \
    ".shares li,.finding,.verdict,.plot,dl{break-inside:avoid}.tall>svg{height:200px}"                    \
    ".bar i,.key,path{-webkit-print-color-adjust:exact;print-color-adjust:exact}.bar{background:none}}"

const char lb_report_style[] = COLOURS TEXT DISKS CHARTS REST;
