/* SPDX-License-Identifier: MIT */
/*
 * A sink beside the first one. In: a store that the router fills. Out: bodies by a transport of its own.
 * Always true: what is in the store is delivered, waits there, or is lost with a receipt in the same store.
 */
#include "agent/ship/outlet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/ship/meter.h"
#include "agent/ship/pending.h"
#include "agent/store/start.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"

/* ---- the store ---- */

static int open_below(int dir_fd, const char *name)
{
    int below, fd, rc;

    if (mkdirat(dir_fd, "sinks", 0755) != 0 && errno != EEXIST)
        return -errno;
    below = openat(dir_fd, "sinks", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (below < 0)
        return -errno;
    rc = mkdirat(below, name, 0755) != 0 && errno != EEXIST ? -errno : 0;
    fd = rc < 0 ? rc : openat(below, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    rc = fd < 0 && rc == 0 ? -errno : rc;
    close(below);
    return rc < 0 ? rc : fd;
}

int lb_outlet_open(struct lb_outlet *outlet, int dir_fd, const struct lb_config *config, unsigned sink_ix,
                   uint64_t now_ns)
{
    const struct lb_sink_config *sink = &config->sinks[sink_ix];
    struct lb_files *files = &outlet->files;
    struct lb_start start;
    int rc;

    snprintf(outlet->name, sizeof outlet->name, "%s", sink->name);
    outlet->is_primary = sink->primary;
    files->lock_fd = -1;
    files->backlog_bytes = sink->queue_backlog_bytes;
    files->dir_fd = open_below(dir_fd, sink->name);
    if (files->dir_fd < 0)
        return files->dir_fd;
    rc = lb_files_open(files, sink->queue_bytes, config->ring_lock);
    if (rc < 0)
        return rc;
    lb_files_recover(files);
    lb_start_look(files, &start);
    rc = lb_files_resize(files, sink->queue_bytes, config->ring_lock);
    if (rc < 0)
        return rc;
    if (lb_start_tell(files, &start, LB_VERSION, (int)config->ring_urgent, now_ns) < 0)
        lb_log(LB_LEVEL_NOTICE, "sink %s: its queue is full: this start is told by no record", sink->name);
    if (files->state.was_damaged || files->ring_was_damaged)
        lb_log(LB_LEVEL_ERROR, "sink %s: a file of its queue was damaged and is set aside as *.damaged",
               sink->name);
    return 0;
}

void lb_outlet_close(struct lb_outlet *outlet)
{
    lb_start_mark_clean(&outlet->files);
    lb_files_close(&outlet->files);
}

/* ---- the shipper ---- */

static void old_ring_is_done(void *ctx)
{
    lb_files_drop_old_ring(ctx);
}

static int start_backlog(struct lb_outlet *outlet, uint64_t seed, uint64_t now_ns)
{
    if (!lb_backlog_is_there(&outlet->files.backlog))
        return 0;
    outlet->mover = lb_mover_new(&outlet->shipper, &outlet->files.backlog);
    outlet->shipper.mover = outlet->mover;
    return outlet->mover ? lb_drain_start(&outlet->drain, &outlet->shipper, outlet->mover, seed, now_ns)
                         : -ENOMEM;
}

int lb_outlet_start(struct lb_outlet *outlet, struct lb_shipper *first, unsigned sink_ix, uint64_t seed,
                    uint64_t now_ns)
{
    struct lb_shipper *shipper = &outlet->shipper;
    struct lb_files *files = &outlet->files;
    int rc;

    outlet->first = first;
    outlet->link.to_fast_fd = outlet->link.to_slow_fd = -1;
    shipper->ring = files->has_old_ring ? &files->old_ring : &files->ring;
    shipper->next_ring = files->has_old_ring ? &files->ring : NULL;
    shipper->old_ring_done = old_ring_is_done;
    shipper->old_ring_ctx = files;
    shipper->state = &files->state;
    shipper->meter_state = first->state;
    shipper->is_best_effort = !outlet->is_primary;
    shipper->link = &outlet->link;
    shipper->config = first->config;
    shipper->sink_ix = sink_ix;
    shipper->read_clocks = first->read_clocks;
    shipper->clocks_ctx = first->clocks_ctx;
    shipper->phase = first->phase;
    shipper->wall = first->wall;
    rc = lb_shipper_start(shipper, seed, now_ns);
    return rc < 0 ? rc : start_backlog(outlet, seed, now_ns);
}

/* Clock and link are the first sink's. */
static void share(struct lb_outlet *outlet)
{
    outlet->shipper.wall = outlet->first->wall;
    outlet->shipper.meter = outlet->first->meter;
    outlet->link.quota_step = lb_link_get(&outlet->first->link->quota_step);
}

static void pass_back(struct lb_outlet *outlet)
{
    outlet->first->meter = outlet->shipper.meter;
}

uint64_t lb_outlet_step(struct lb_outlet *outlet, uint64_t now_ns)
{
    uint64_t due_ns;

    if (outlet->is_detached)
        return LB_NEVER;
    share(outlet);
    due_ns = lb_shipper_step(&outlet->shipper, now_ns);
    if (outlet->mover)
        due_ns = lb_earlier(due_ns, lb_drain_step(&outlet->drain, now_ns));
    pass_back(outlet);
    if (outlet->is_stalled && lb_ring_room(&outlet->files.ring) >= outlet->wanted_bytes)
        due_ns = now_ns;
    if (!outlet->is_mute && lb_link_get(&outlet->link.losses_wait))
        due_ns = now_ns;
    return lb_earlier(due_ns, lb_later(outlet->tell_due_ns, now_ns));
}

void lb_outlet_answer(void *ctx, unsigned slot, const struct lb_answer *answer)
{
    struct lb_outlet *outlet = ctx;

    share(outlet);
    if (outlet->mover)
        lb_drain_answer(&outlet->drain, slot, answer);
    else
        lb_shipper_answer(&outlet->shipper, slot, answer);
    pass_back(outlet);
}

bool lb_outlet_is_busy(const struct lb_outlet *outlet)
{
    if (outlet->is_detached)
        return false;
    return lb_shipper_is_busy(&outlet->shipper) || (outlet->mover && lb_drain_is_busy(&outlet->drain));
}

void lb_outlet_take_back(struct lb_outlet *outlet, uint64_t now_ns)
{
    if (outlet->is_detached)
        return;
    if (outlet->mover)
        lb_shipper_take_back(&outlet->drain.shipper, now_ns);
    lb_shipper_take_back(&outlet->shipper, now_ns);
}

int lb_outlet_reload(struct lb_outlet *outlet, const struct lb_config *config, unsigned sink_ix)
{
    int rc = outlet->mover ? lb_drain_reload(&outlet->drain, config, sink_ix) : 0;

    if (rc == 0)
        rc = lb_shipper_reload(&outlet->shipper, config, sink_ix);
    if (rc < 0)
        return rc;
    outlet->is_primary = config->sinks[sink_ix].primary;
    outlet->shipper.is_best_effort = outlet->drain.shipper.is_best_effort = !outlet->is_primary;
    return 0;
}

bool lb_outlet_is_done(const struct lb_outlet *outlet)
{
    if (outlet->is_detached || outlet->shipper.failed_since_delivery || lb_link_get(&outlet->link.sink_away))
        return true;
    return !outlet->is_stalled && lb_shipper_is_done(&outlet->shipper) &&
           outlet->files.backlog.sum.segments == 0;
}

void lb_outlet_detach(struct lb_outlet *outlet)
{
    lb_log(LB_LEVEL_NOTICE, "sink %s is not configured any more, and gets nothing from now on", outlet->name);
    lb_outlet_stop(outlet);
    outlet->is_detached = true;
}

void lb_outlet_stop(struct lb_outlet *outlet)
{
    if (outlet->is_detached)
        return;
    if (outlet->mover)
        lb_drain_stop(&outlet->drain);
    lb_shipper_stop(&outlet->shipper);
    lb_mover_free(outlet->mover);
}
