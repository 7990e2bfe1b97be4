/* SPDX-License-Identifier: MIT */
/* What is asked from afar, between the two sides. In: wishes of the slow side. Out: the same, seen by the
 * fast one. Always true: a word is whole, and a record is written before it is counted. */
#include "agent/store/hand.h"

#include <stddef.h>

#include "common/clock.h"

#define LEVEL_BITS 8

void lb_hand_set_level(struct lb_hand *hand, uint32_t row, int level, uint64_t until_ms)
{
    uint64_t word = until_ms ? until_ms << LEVEL_BITS | (uint64_t)(level + 1) : 0;

    if (row < LB_SERVICES_BOOKS)
        __atomic_store_n(&hand->level[row], word, __ATOMIC_RELAXED);
}

static uint64_t word_of(const struct lb_hand *hand, uint32_t row)
{
    return row < LB_SERVICES_BOOKS ? __atomic_load_n(&hand->level[row], __ATOMIC_RELAXED) : 0;
}

unsigned lb_hand_level(const struct lb_hand *hand, uint32_t row, uint64_t now_ns)
{
    uint64_t word = word_of(hand, row);

    if (word == 0 || now_ns / LB_NS_PER_MS >= word >> LEVEL_BITS)
        return 0;
    return (unsigned)(word & ((1u << LEVEL_BITS) - 1));
}

uint64_t lb_hand_level_until_ms(const struct lb_hand *hand, uint32_t row)
{
    return word_of(hand, row) >> LEVEL_BITS;
}

bool lb_hand_has_room(const struct lb_hand *hand)
{
    return hand->told_count - __atomic_load_n(&hand->taken_count, __ATOMIC_ACQUIRE) < LB_HAND_TOLD;
}

void lb_hand_put(struct lb_hand *hand, const struct lb_remote_told *told)
{
    hand->told[hand->told_count % LB_HAND_TOLD] = *told;
    __atomic_store_n(&hand->told_count, hand->told_count + 1, __ATOMIC_RELEASE);
}

const struct lb_remote_told *lb_hand_first(const struct lb_hand *hand)
{
    if (hand->taken_count == __atomic_load_n(&hand->told_count, __ATOMIC_ACQUIRE))
        return NULL;
    return &hand->told[hand->taken_count % LB_HAND_TOLD];
}

void lb_hand_take(struct lb_hand *hand)
{
    __atomic_store_n(&hand->taken_count, hand->taken_count + 1, __ATOMIC_RELEASE);
}
