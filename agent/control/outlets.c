/* SPDX-License-Identifier: MIT */
/*
 * The sinks beside the first one. In: a configuration with several. Out: their stores, fed and shipped.
 * Always true: new settings are taken over by all sinks or by none.
 */
#include "agent/control/outlets.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/control/sink_transport.h"
#include "agent/ship/meter.h"
#include "agent/ship/pending.h"
#include "agent/ship/release.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"

/* ---- stores ---- */

uint64_t lb_outlets_left(int dir_fd)
{
    struct lb_state state;
    uint64_t left = 0;

    if (faccessat(dir_fd, "state", F_OK, AT_SYMLINK_NOFOLLOW) != 0 ||
        lb_state_open(dir_fd, false, NULL, NULL, &state) < 0)
        return 0;
    for (uint32_t row = 0; row < LB_SERVICES_BOOKS; row++) {
        const uint64_t *fast = &state.file->books_fast[row * LB_BOOK_FAST_WORDS];
        const uint64_t *slow = &state.file->books_slow[row * LB_BOOK_SLOW_WORDS];

        left += fast[LB_BOOK_QUEUED_LINES] - slow[LB_BOOK_DELIVERED] - slow[LB_BOOK_SHED] -
                slow[LB_BOOK_REJECTED];
    }
    lb_state_close(&state);
    return left;
}

static void remove_store(int sinks_fd, const char *name, bool is_first)
{
    static const char *const known[] = { "ring", "ring.old", "backlog", "held", "state" };
    int fd = openat(sinks_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    uint64_t left;

    if (fd < 0)
        return;
    left = lb_outlets_left(fd);
    lb_log(left > 0 ? LB_LEVEL_WARNING : LB_LEVEL_NOTICE,
           "sink %s is %s: %llu lines in its queue are given up", name,
           is_first ? "the first now, which has the ring" : "not configured any more",
           (unsigned long long)left);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        unlinkat(fd, known[i], 0);
    close(fd);
    if (unlinkat(sinks_fd, name, AT_REMOVEDIR) != 0) /* something set aside for a person to look at */
        lb_log(LB_LEVEL_NOTICE, "the rest of sinks/%s stays: %s", name, strerror(errno));
}

static bool is_configured(const struct lb_config *config, const char *name)
{
    for (size_t i = 1; i < config->sink_count; i++)
        if (strcmp(config->sinks[i].name, name) == 0)
            return true;
    return false;
}

static void remove_strangers(int dir_fd, const struct lb_config *config)
{
    int fd = openat(dir_fd, "sinks", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    while ((entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            !is_configured(config, entry->d_name))
            remove_store(dirfd(dir), entry->d_name, strcmp(entry->d_name, config->sinks[0].name) == 0);
    closedir(dir);
}

int lb_outlets_open(struct lb_outlets *outlets, struct lb_files *files, const struct lb_config *config)
{
    struct lb_router *router = &outlets->router;
    uint64_t now_ns = lb_clock_boot_ns();

    router->files = files;
    router->urgent = (unsigned)config->ring_urgent;
    remove_strangers(files->dir_fd, config);
    for (unsigned ix = 1; ix < config->sink_count; ix++) {
        struct lb_outlet *outlet = calloc(1, sizeof *outlet);
        int rc = outlet ? lb_outlet_open(outlet, files->dir_fd, config, ix, now_ns) : -ENOMEM;

        if (rc < 0) {
            lb_log(LB_LEVEL_ERROR, "sink %s: its queue cannot be opened: %s", config->sinks[ix].name,
                   rc == -EPROTO ? "it is of a newer logboom" : strerror(-rc));
            free(outlet);
            return rc;
        }
        router->outlet[router->outlets++] = outlet;
    }
    lb_router_protect(router);
    return 0;
}

void lb_outlets_attach(struct lb_outlets *outlets)
{
    lb_router_attach(&outlets->router);
}

void lb_outlets_close(struct lb_outlets *outlets)
{
    for (unsigned i = 0; i < outlets->router.outlets; i++) {
        lb_outlet_close(outlets->router.outlet[i]);
        free(outlets->router.outlet[i]);
    }
    outlets->router.outlets = 0;
}

/* ---- at work ---- */

int lb_outlets_start(struct lb_outlets *outlets, struct lb_loop *loop, struct lb_card *card,
                     const struct lb_loaded *loaded, struct lb_shipper *first, uint64_t seed)
{
    int rc = 0;

    outlets->first = first;
    for (unsigned i = 0; rc == 0 && i < outlets->router.outlets; i++) {
        struct lb_outlet *outlet = outlets->router.outlet[i];

        rc = lb_sink_transport_open(loop, card, loaded, i + 1, seed + i + 1, lb_outlet_answer, outlet,
                                    &outlet->shipper.transport);
        if (rc == 0)
            rc = lb_outlet_start(outlet, first, i + 1, seed + 2 * i + 2, lb_clock_boot_ns());
    }
    return rc;
}

void lb_outlets_feed(struct lb_outlets *outlets, uint64_t now_ns)
{
    if (outlets->router.outlets > 0 && lb_router_step(&outlets->router, now_ns))
        lb_release_publish(outlets->first);
}

/* What all others have on their way over the same link. */
static void share_link(struct lb_outlets *outlets)
{
    uint64_t all = lb_meter_on_the_way(outlets->first);

    for (unsigned i = 0; i < outlets->router.outlets; i++)
        all += lb_meter_on_the_way(&outlets->router.outlet[i]->shipper);
    for (unsigned i = 0; i < outlets->router.outlets; i++) {
        struct lb_shipper *shipper = &outlets->router.outlet[i]->shipper;

        shipper->beside_bytes = all - lb_meter_on_the_way(shipper);
    }
    outlets->first->beside_bytes = all - lb_meter_on_the_way(outlets->first);
}

uint64_t lb_outlets_step(struct lb_outlets *outlets, uint64_t now_ns)
{
    uint64_t due_ns = LB_NEVER;

    if (outlets->router.outlets == 0)
        return LB_NEVER;
    share_link(outlets);
    for (unsigned i = 0; i < outlets->router.outlets; i++)
        due_ns = lb_earlier(due_ns, lb_outlet_step(outlets->router.outlet[i], now_ns));
    return lb_earlier(due_ns, lb_router_ask(&outlets->router, outlets->first->link, outlets->first, now_ns));
}

/* ---- new settings ---- */

void lb_outlets_take_back(struct lb_outlets *outlets, uint64_t now_ns)
{
    for (unsigned i = 0; i < outlets->router.outlets; i++)
        lb_outlet_take_back(outlets->router.outlet[i], now_ns);
}

bool lb_outlets_hold(struct lb_outlets *outlets, bool is_held)
{
    bool is_busy = false;

    for (unsigned i = 0; i < outlets->router.outlets; i++) {
        outlets->router.outlet[i]->shipper.is_held = is_held;
        is_busy |= lb_outlet_is_busy(outlets->router.outlet[i]);
    }
    return is_busy;
}

/* Sinks are the same by name; one that came, or went, does so at the next start. */
static unsigned index_of(const struct lb_config *config, const char *name)
{
    unsigned ix = 1;

    while (ix < config->sink_count && strcmp(config->sinks[ix].name, name) != 0)
        ix++;
    return ix < config->sink_count ? ix : 0;
}

void lb_outlets_reload_undo(struct lb_outlets *outlets)
{
    for (unsigned i = 0; i < outlets->router.outlets; i++) {
        struct lb_transport *fresh = &outlets->fresh[i];

        if (fresh->self)
            fresh->close(fresh->self);
        *fresh = (struct lb_transport) { 0 };
    }
}

int lb_outlets_reload_open(struct lb_outlets *outlets, struct lb_loop *loop, struct lb_card *card,
                           const struct lb_loaded *loaded, uint64_t seed)
{
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < outlets->router.outlets; i++) {
        unsigned ix = index_of(loaded->config, outlets->router.outlet[i]->name);

        if (ix > 0 && !outlets->router.outlet[i]->is_detached)
            rc = lb_sink_transport_open(loop, card, loaded, ix, seed + i + 1, lb_outlet_answer,
                                        outlets->router.outlet[i], &outlets->fresh[i]);
    }
    if (rc < 0)
        lb_outlets_reload_undo(outlets);
    return rc;
}

int lb_outlets_reload(struct lb_outlets *outlets, const struct lb_config *config)
{
    int rc = 0;

    for (unsigned i = 0; i < outlets->router.outlets; i++) {
        struct lb_outlet *outlet = outlets->router.outlet[i];
        unsigned ix = index_of(config, outlet->name);

        if (ix == 0 && !outlet->is_detached)
            lb_outlet_detach(outlet);
        if (!outlets->fresh[i].self)
            continue;
        rc = lb_outlet_reload(outlet, config, ix);
        if (rc < 0)
            return rc;
        outlet->shipper.transport.close(outlet->shipper.transport.self);
        outlet->shipper.transport = outlets->fresh[i];
        outlets->fresh[i] = (struct lb_transport) { 0 };
    }
    return 0;
}

/* ---- requests of others ---- */

static void flush(struct lb_outlets_mark *mark, unsigned ix, struct lb_outlet *outlet)
{
    mark->of[ix].is_short = !lb_router_has_given(outlet, mark->ring_id, mark->head);
    lb_shipper_flush(&outlet->shipper);
    mark->of[ix].pos = lb_ring_head(&outlet->files.ring);
    mark->of[ix].seq = outlet->mover ? lb_drain_flush(&outlet->drain) : 0;
}

void lb_outlets_flush(struct lb_outlets *outlets, uint64_t now_ns, struct lb_outlets_mark *ret_mark)
{
    const struct lb_ring *ring = &outlets->router.files->ring;

    if (outlets->router.outlets == 0)
        return;
    ret_mark->ring_id = ring->id;
    ret_mark->head = lb_ring_head(ring);
    lb_outlets_feed(outlets, now_ns);
    for (unsigned i = 0; i < outlets->router.outlets; i++)
        if (!outlets->router.outlet[i]->is_detached)
            flush(ret_mark, i, outlets->router.outlet[i]);
}

static bool has_passed(struct lb_outlets_mark *mark, unsigned ix, struct lb_outlet *outlet)
{
    if (mark->of[ix].is_short && lb_router_has_given(outlet, mark->ring_id, mark->head))
        flush(mark, ix, outlet);
    return !mark->of[ix].is_short && !outlet->shipper.next_ring &&
           lb_ring_tail(&outlet->files.ring) >= mark->of[ix].pos &&
           (!outlet->mover || lb_drain_has_passed(&outlet->drain, mark->of[ix].seq));
}

bool lb_outlets_have_passed(struct lb_outlets *outlets, struct lb_outlets_mark *mark)
{
    for (unsigned i = 0; i < outlets->router.outlets; i++) {
        struct lb_outlet *outlet = outlets->router.outlet[i];

        if (outlet->is_primary && !outlet->is_detached && !has_passed(mark, i, outlet))
            return false;
    }
    return true;
}

void lb_outlets_hurry(struct lb_outlets *outlets, uint64_t now_ns)
{
    for (unsigned i = 0; i < outlets->router.outlets; i++)
        if (!outlets->router.outlet[i]->is_detached)
            lb_shipper_hurry(&outlets->router.outlet[i]->shipper, now_ns);
}

struct lb_outlet *lb_outlets_find(const struct lb_outlets *outlets, const char *name)
{
    for (unsigned i = 0; i < outlets->router.outlets; i++)
        if (!outlets->router.outlet[i]->is_detached &&
            (!name[0] || strcmp(outlets->router.outlet[i]->name, name) == 0))
            return outlets->router.outlet[i];
    return NULL;
}

void lb_outlets_stop_soon(struct lb_outlets *outlets)
{
    for (unsigned i = 0; i < outlets->router.outlets; i++)
        lb_shipper_stop_soon(&outlets->router.outlet[i]->shipper);
}

bool lb_outlets_are_done(const struct lb_outlets *outlets)
{
    if (outlets->router.outlets > 0 && !lb_router_is_done(&outlets->router))
        return false;
    for (unsigned i = 0; i < outlets->router.outlets; i++)
        if (!lb_outlet_is_done(outlets->router.outlet[i]))
            return false;
    return true;
}

void lb_outlets_stop(struct lb_outlets *outlets)
{
    for (unsigned i = 0; i < outlets->router.outlets; i++)
        lb_outlet_stop(outlets->router.outlet[i]);
}
