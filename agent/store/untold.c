/* SPDX-License-Identifier: MIT */
/* Losses without a number. In: words of the books. Out: the receipt that tells them. Always true: what is
 * cleared was read. */
#include "agent/store/untold.h"

#include <string.h>

bool lb_untold_read(const struct lb_state *state, uint32_t row, enum lb_untold why,
                    struct lb_receipt *ret_receipt)
{
    const uint64_t *words = &state->fast.region[LB_FAST_BOOKS].work[lb_untold_at(row, why)];
    const struct lb_state_name *name = &state->file->name[row];

    if (words[LB_UNTOLD_LINES] == 0 && words[LB_UNTOLD_BYTES] == 0)
        return false;
    *ret_receipt = (struct lb_receipt) {
        .reason = why == LB_UNTOLD_CLIENT ? LB_REASON_CLIENT : LB_REASON_OVERLOAD,
        .lines = words[LB_UNTOLD_LINES],
        .bytes = words[LB_UNTOLD_BYTES],
        .first_ns = words[LB_UNTOLD_FIRST_NS],
        .last_ns = words[LB_UNTOLD_LAST_NS],
        .name_len = name->len,
    };
    memcpy(ret_receipt->by_severity, words + LB_UNTOLD_BY_SEVERITY, sizeof ret_receipt->by_severity);
    memcpy(ret_receipt->name, name->text, sizeof ret_receipt->name);
    return true;
}

void lb_untold_clear(struct lb_state *state, uint32_t row, enum lb_untold why)
{
    for (uint32_t i = 0; i < LB_UNTOLD_WORDS; i++)
        lb_commit_set(&state->fast, LB_FAST_BOOKS, lb_untold_at(row, why) + i, 0);
}
