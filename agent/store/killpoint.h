/* SPDX-License-Identifier: MIT */
#ifndef LB_STORE_KILLPOINT_H
#define LB_STORE_KILLPOINT_H

#include <stdint.h>

/*
 * Places where a test kills the process: between every two stores into a file
 * that outlives it. In a product build they are nothing. In a build with
 * -DLB_KILLPOINTS each one counts down from $LOGBOOM_KILL_AT (or from
 * lb_killpoint_arm()) and the one that reaches zero sends SIGKILL to itself.
 */
#ifdef LB_KILLPOINTS
/*
 * One place to die. Returns unless it is the chosen one.
 *   calls    any thread
 */
void lb_killpoint(void);

/*
 * Choose the place: the countdown-th from now; 0 disarms.
 *   returns  how many places were passed since the last call
 *   calls    tests only
 */
uint64_t lb_killpoint_arm(uint64_t countdown);
#else
static inline void lb_killpoint(void)
{
}
#endif

/*
 * Store one word of shared state: visible after all stores before it, and a
 * place to die after it.
 *   calls    the side that owns the word
 */
static inline void lb_store(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
    lb_killpoint();
}

/*
 * Read a word that another side stores. Nothing is written to do so: a reader's mapping may not allow it.
 *   calls    any thread
 */
static inline uint64_t lb_load(const uint64_t *word)
{
#if __GCC_ATOMIC_LLONG_LOCK_FREE == 2
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
#else
    /* No instruction for it (ARMv5): libatomic would exchange the word for itself, which is a store. So by
     * halves, until each is the same twice; the kernel's exchange, by which lb_store() stores, is one piece.
     */
    const uint32_t *half = (const uint32_t *)word;
    uint32_t first[2], again[2];

    do {
        first[0] = __atomic_load_n(&half[0], __ATOMIC_ACQUIRE);
        first[1] = __atomic_load_n(&half[1], __ATOMIC_ACQUIRE);
        again[0] = __atomic_load_n(&half[0], __ATOMIC_ACQUIRE);
        again[1] = __atomic_load_n(&half[1], __ATOMIC_ACQUIRE);
    } while (first[0] != again[0] || first[1] != again[1]);
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? (uint64_t)first[1] << 32 | first[0]
                                                     : (uint64_t)first[0] << 32 | first[1];
#endif
}

#endif
