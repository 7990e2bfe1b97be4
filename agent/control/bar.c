/* SPDX-License-Identifier: MIT */
/* A metered link. In: routes, settings. Out: shippers that are barred. Always true: a sink whose `when` is
 * always is never barred. */
#include "agent/control/bar.h"

#include "agent/ship/metered.h"
#include "common/log.h"
#include "common/loop.h"

static void set(struct lb_shipper *shipper, bool is_metered)
{
    enum lb_when when = shipper->sink_config->when;
    bool is_barred = is_metered && when != LB_WHEN_ALWAYS;

    if (is_barred != shipper->is_barred)
        lb_log(LB_LEVEL_NOTICE, "sink %s: the link is %s: %s", shipper->sink_config->name,
               is_barred ? "metered" : "not metered any more",
               !is_barred                    ? "all goes"
               : when == LB_WHEN_URGENT_ONLY ? "only urgent records go, the rest waits"
                                             : "all waits");
    shipper->is_barred = is_barred;
}

static bool cares(const struct lb_config *config)
{
    for (size_t i = 0; i < config->sink_count; i++)
        if (config->sinks[i].when != LB_WHEN_ALWAYS)
            return true;
    return false;
}

uint64_t lb_bar_step(struct lb_bar *bar, struct lb_shipper *first, struct lb_outlets *outlets,
                     uint64_t now_ns)
{
    const struct lb_config *config = first->config;
    const struct lb_router *router = &outlets->router;
    bool is_asked = cares(config);

    if (is_asked && now_ns >= bar->due_ns) {
        bar->is_metered = lb_metered_look(config->network_metered, "");
        bar->due_ns = now_ns + LB_METERED_EVERY_NS;
    }
    set(first, is_asked && bar->is_metered);
    for (unsigned i = 0; i < router->outlets; i++)
        if (!router->outlet[i]->is_detached)
            set(&router->outlet[i]->shipper, is_asked && bar->is_metered);
    return is_asked && config->network_metered == LB_METERED_AUTO ? bar->due_ns : LB_NEVER;
}
