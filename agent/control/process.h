/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_PROCESS_H
#define LB_CONTROL_PROCESS_H

/*
 * No core file and no tracing by others of our user, since the key and lines
 * that are not redacted yet are in memory; as many descriptors and as much
 * locked memory as the hard limits allow.
 *   calls     main thread, before the others start
 */
void lb_process_harden(void);

/*
 * Settings of the heap for few blocks that live long.
 *   calls     main thread, before anything large is allocated
 */
void lb_process_tame_heap(void);

#endif
