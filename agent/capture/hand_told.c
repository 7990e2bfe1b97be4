/* SPDX-License-Identifier: MIT */
/* Commands from afar, told. In: what the slow side hands over (store/hand.h). Out: a record of our own for
 * each in the ring. Always true: one that finds no room now stays where it is, and while it waits there the
 * slow side takes fewer commands. */
#include <string.h>

#include "agent/capture/parts.h"

void lb_hand_tell(struct lb_capture *capture, uint64_t now_ns)
{
    struct lb_hand *hand = &capture->link->hand;
    const struct lb_remote_told *told;

    while ((told = lb_hand_first(hand))) {
        struct lb_own own = {
            .kind = LB_KIND_REMOTE,
            .severity = told->is_refused ? LB_LEVEL_WARNING : LB_LEVEL_NOTICE,
            .body = told,
            .body_len = sizeof *told,
        };

        if (lb_own_put(capture, &own, now_ns) < 0) {
            lb_turns_tell_later(capture);
            return;
        }
        lb_turns_publish(capture, false);
        lb_hand_take(hand);
    }
}
