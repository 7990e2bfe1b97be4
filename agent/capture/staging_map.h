/* SPDX-License-Identifier: MIT */
#ifndef LB_CAPTURE_STAGING_MAP_H
#define LB_CAPTURE_STAGING_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/capture/staging.h"
#include "agent/store/killpoint.h"

/*
 * The layout of the staging file, shared by staging.c (in use) and
 * staging_recover.c (at start). Nobody else includes this.
 *
 * A chunk is one word in the table: length in bits 0-31, next chunk + 1 in
 * 32-47, owning slot + 1 in 48-63; 0 is a free chunk.
 */
static inline uint64_t lb_chunk_pack(uint32_t len, uint32_t next, uint32_t owner)
{
    return (uint64_t)owner << 48 | (uint64_t)next << 32 | len;
}

static inline uint32_t lb_chunk_len(uint64_t word)
{
    return (uint32_t)word;
}

static inline uint32_t lb_chunk_next(uint64_t word)
{
    return (uint32_t)(word >> 32) & 0xffff;
}

static inline uint32_t lb_chunk_owner(uint64_t word)
{
    return (uint32_t)(word >> 48);
}

/*
 * A landing: slot + 1 in bits 32-63, the chunk in 0-29. Bit 31: the chunk goes on where the stream's chunk
 * before it was full. So recovery need not guess where that one ended, when what it holds ends in 0xFF. Bit
 * 30: one splice goes to the chunk before it and to this one; the other one is full when this one has a byte.
 */
#define LB_LANDING_GOES_ON (1u << 31)
#define LB_LANDING_IN_RUN  (1u << 30)

static inline uint64_t lb_landing_pack(uint32_t slot, uint32_t chunk, uint32_t flags)
{
    return (uint64_t)(slot + 1) << 32 | chunk | flags;
}

static inline uint32_t lb_landing_slot(uint64_t landing)
{
    return (uint32_t)(landing >> 32) - 1;
}

static inline uint32_t lb_landing_chunk(uint64_t landing)
{
    return (uint32_t)landing & ~(LB_LANDING_GOES_ON | LB_LANDING_IN_RUN);
}

/* The bytes of a chunk. */
static inline uint8_t *lb_chunk_bytes(const struct lb_staging *staging, uint32_t chunk)
{
    return staging->map.data + (uint64_t)chunk * LB_CHUNK_BYTES;
}

/*
 * A stream's id as it stands in the file, which recovery would see.
 *   calls     fast side
 */
static inline uint64_t lb_staging_shared_id(const struct lb_staging *staging, uint32_t slot)
{
    return lb_load(&staging->header->words[staging->chunk_count + slot * LB_STREAM_WORDS + LB_STREAM_ID]);
}

#endif
