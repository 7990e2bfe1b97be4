/* SPDX-License-Identifier: MIT */
/* How the agent before ended. In: state and ring as they were found. Out: a record of kind start. Always
 * true: "clean" is said only of an agent that marked its end. */
#include "agent/store/start.h"

#include <stdio.h>
#include <string.h>

#include "agent/store/killpoint.h"
#include "common/level.h"

static const char service[] = "logboom";

void lb_start_look(const struct lb_files *files, struct lb_start *ret_start)
{
    const struct lb_ring *ring = &files->ring;
    uint64_t stop = lb_load(&files->state.file->life[LB_LIFE_STOP]);

    memset(ret_start, 0, sizeof *ret_start);
    if (!files->state.is_new && stop < LB_STOP_COUNT)
        ret_start->stop = stop;
    for (unsigned lane = 0; lane < LB_LANE_COUNT; lane++)
        ret_start->last[lane] = lb_commit_get(ring->fast, ring->fast_region, LB_RING_NEXT_URGENT + lane) - 1;
    /* Where no number was given there was no agent before; ring->is_new has done its work in the recovery. */
    if (ret_start->last[LB_LANE_URGENT] > 0 || ret_start->last[LB_LANE_ROUTINE] > 0)
        ret_start->last_ring = ring->id;
}

int lb_start_tell(struct lb_files *files, struct lb_start *start, const char *version, int urgent,
                  uint64_t now_ns)
{
    struct lb_state *state = &files->state;
    enum lb_level level = start->stop == LB_STOP_UNCLEAN ? LB_LEVEL_WARNING : LB_LEVEL_NOTICE;
    struct lb_record head = {
        .lane = (int)level <= urgent ? LB_LANE_URGENT : LB_LANE_ROUTINE,
        .severity = (uint8_t)level,
        .kind = LB_KIND_START,
        .boot_ns = now_ns,
        .service_ix = lb_state_service(state, service, sizeof service - 1),
        .lines = 1,
    };
    struct iovec body = { start, sizeof *start };
    uint64_t first = LB_BOOK_FAST_WORDS * head.service_ix + LB_BOOK_OWN_LINES;
    int rc;

    start->is_new = start->last_ring != files->ring.id;
    snprintf((char *)start->version, sizeof start->version, "%s", version);
    lb_store(&state->file->life[LB_LIFE_STOP], LB_STOP_UNCLEAN); /* from here on a kill is one */
    lb_killpoint();
    rc = lb_ring_put(&files->ring, &head, service, sizeof service - 1, "", 0, &body, 1);
    if (rc == 0) {
        lb_commit_add(&state->fast, LB_FAST_BOOKS, (uint32_t)first, 1);
        lb_commit_add(&state->fast, LB_FAST_BOOKS, (uint32_t)first + 1, sizeof *start);
        lb_commit_publish(&state->fast);
    }
    return rc;
}

void lb_start_mark_clean(struct lb_files *files)
{
    lb_store(&files->state.file->life[LB_LIFE_STOP], LB_STOP_CLEAN);
}
