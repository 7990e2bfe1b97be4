/* SPDX-License-Identifier: MIT */
/*
 * Staging at start: opening, taking in what a kill left half-told, moving to other sizes. In: the runtime
 * directory and a recovered commit. Out: a staging whose invariants hold. A kill in here costs nothing: each
 * step is one publish or one rename, or writes what the next start would write again.
 */
#include "agent/capture/staging.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "agent/capture/staging_map.h"
#include "agent/store/state.h"

static const char magic[8] = "LBSTAGE";

static uint64_t identity_check(const struct lb_staging_header *header)
{
    return XXH3_64bits(header, offsetof(struct lb_staging_header, check));
}

static size_t header_size(uint32_t chunks, uint32_t max_streams)
{
    return lb_mapfile_round(sizeof(struct lb_staging_header) + sizeof(uint64_t) * chunks +
                            (sizeof(uint64_t) * LB_STREAM_WORDS + sizeof(struct lb_stream_name)) *
                                max_streams);
}

static uint64_t *stream_words(const struct lb_staging *staging)
{
    return staging->header->words + staging->chunk_count;
}

/* Point at the tables of a mapped file. */
static void lay_out(struct lb_staging *staging)
{
    staging->header = (struct lb_staging_header *)(void *)staging->map.header;
    staging->chunk_count = (uint32_t)(staging->map.data_bytes / LB_CHUNK_BYTES);
    staging->max_streams = staging->header->max_streams;
    staging->names = (struct lb_stream_name *)(void *)(stream_words(staging) +
                                                       (size_t)staging->max_streams * LB_STREAM_WORDS);
}

static int make_file(int dir_fd, size_t bytes, uint32_t max_streams, bool lock, struct lb_mapfile *ret_map)
{
    size_t data_bytes = lb_mapfile_round(bytes);
    size_t head_bytes = header_size((uint32_t)(data_bytes / LB_CHUNK_BYTES), max_streams);
    struct lb_staging_header *header;
    int rc = lb_mapfile_create(dir_fd, "staging", head_bytes, data_bytes, lock ? LB_MAP_LOCK : 0, ret_map);

    if (rc < 0)
        return rc;
    header = (struct lb_staging_header *)(void *)ret_map->header;
    memcpy(header->magic, magic, sizeof magic);
    header->format = LB_STAGING_FORMAT;
    header->header_bytes = (uint32_t)head_bytes;
    header->data_bytes = data_bytes;
    header->max_streams = max_streams;
    header->chunk_bytes = LB_CHUNK_BYTES;
    header->check = identity_check(header);
    memset(ret_map->data, 0xff, data_bytes);
    return 0;
}

/* 0 and the header's size | -ENOENT | -EBADMSG */
static int read_identity(int dir_fd, size_t *ret_header_bytes)
{
    struct lb_staging_header header;
    int fd = openat(dir_fd, "staging", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t got;

    if (fd < 0)
        return -errno;
    got = pread(fd, &header, sizeof header, 0);
    close(fd);
    if (got != (ssize_t)sizeof header || memcmp(header.magic, magic, sizeof magic) != 0 ||
        header.check != identity_check(&header) || header.format != LB_STAGING_FORMAT ||
        header.chunk_bytes != LB_CHUNK_BYTES || header.data_bytes / LB_CHUNK_BYTES > LB_STAGING_CHUNKS_MAX ||
        header.header_bytes !=
            header_size((uint32_t)(header.data_bytes / LB_CHUNK_BYTES), header.max_streams))
        return -EBADMSG;
    *ret_header_bytes = header.header_bytes;
    return 0;
}

/* 0 | -EBADMSG what lies there is not as long as its header says | other negative errno */
static int open_file(int dir_fd, size_t header_bytes, bool lock, struct lb_mapfile *ret_map)
{
    int rc = lb_mapfile_open(dir_fd, "staging", header_bytes, lock ? LB_MAP_LOCK : 0, ret_map);

    if (rc == 0 && ((struct lb_staging_header *)(void *)ret_map->header)->data_bytes != ret_map->data_bytes) {
        lb_mapfile_close(ret_map);
        return -EBADMSG;
    }
    return rc == -EINVAL ? -EBADMSG : rc;
}

static int add_regions(struct lb_staging *staging)
{
    struct lb_commit *commit = staging->commit;
    int rc = lb_commit_region(commit, LB_FAST_CHUNKS, staging->header->words, staging->chunk_count);

    if (rc == 0)
        rc = lb_commit_region(commit, LB_FAST_STREAMS, stream_words(staging),
                              staging->max_streams * LB_STREAM_WORDS);
    if (rc == 0)
        rc = lb_commit_region(commit, LB_FAST_LANDING, staging->header->landing, LB_LANDING_WORDS);
    return rc;
}

int lb_staging_open(int dir_fd, size_t bytes, uint32_t max_streams, bool lock, struct lb_commit *commit,
                    struct lb_staging *staging, bool *ret_was_damaged)
{
    size_t header_bytes = 0;
    int rc = read_identity(dir_fd, &header_bytes);

    memset(staging, 0, offsetof(struct lb_staging, freed)); /* what is behind is long, and counted */
    staging->commit = commit;
    if (rc == 0)
        rc = open_file(dir_fd, header_bytes, lock, &staging->map);
    *ret_was_damaged = rc == -EBADMSG;
    if (rc == -EBADMSG)
        rc = renameat(dir_fd, "staging", dir_fd, "staging.damaged") == 0 ? -ENOENT : -errno;
    if (rc == -ENOENT) {
        rc = make_file(dir_fd, bytes, max_streams, lock, &staging->map);
        if (rc == 0)
            rc = lb_mapfile_publish(dir_fd, "staging");
        staging->is_new = true;
    }
    if (rc == 0) {
        lay_out(staging);
        rc = add_regions(staging);
    }
    if (rc < 0 && staging->map.header)
        lb_mapfile_close(&staging->map);
    return rc;
}

static uint64_t get_chunk(const struct lb_staging *staging, uint32_t chunk)
{
    return lb_commit_get(staging->commit, LB_FAST_CHUNKS, chunk);
}

static void put_chunk(struct lb_staging *staging, uint32_t chunk, uint64_t word)
{
    if (!lb_commit_has_room(staging->commit, 16))
        lb_commit_publish(staging->commit);
    lb_commit_set(staging->commit, LB_FAST_CHUNKS, chunk, word);
}

/* Walk a stream's chain; cut it where it stops making sense. is_used: by chunk, marked as they are passed. */
static void follow_chain(struct lb_staging *staging, uint32_t slot, uint8_t *is_used)
{
    struct lb_staged *staged = &staging->staged[slot];
    uint64_t first = lb_staging_get(staging, slot, LB_STREAM_FIRST);
    uint32_t chunk = (uint32_t)first - 1;

    memset(staged, 0, sizeof *staged);
    staged->start = (uint32_t)(first >> 32);
    while (chunk < staging->chunk_count && !is_used[chunk]) {
        uint64_t word = get_chunk(staging, chunk);
        uint32_t from = staged->chunks == 0 ? staged->start : 0;

        if (lb_chunk_owner(word) != slot + 1 || lb_chunk_len(word) > LB_CHUNK_BYTES ||
            lb_chunk_len(word) < from)
            break;
        if (staged->chunks++ == 0)
            staged->first = chunk;
        is_used[chunk] = 1;
        staged->bytes += lb_chunk_len(word) - from;
        staged->last = chunk;
        chunk = lb_chunk_next(word) - 1;
    }
    if (staged->bytes == 0)
        staged->chunks = 0;
    if (staged->chunks == 0)
        lb_staging_set(staging, slot, LB_STREAM_FIRST, 0);
    else if (chunk != UINT32_MAX)
        put_chunk(staging, staged->last,
                  lb_chunk_pack(lb_chunk_len(get_chunk(staging, staged->last)), 0, slot + 1));
    lb_staging_look_again(staging, slot);
}

static uint32_t true_end(const struct lb_staging *staging, uint32_t chunk, uint32_t len)
{
    const uint8_t *bytes = lb_chunk_bytes(staging, chunk);
    uint32_t end = LB_CHUNK_BYTES;

    while (end > len && bytes[end - 1] == 0xff)
        end--;
    return end;
}

/* Is this chunk in the stream's chain as far as it was followed? */
static bool is_last_of(const struct lb_staging *staging, uint32_t slot, uint32_t chunk)
{
    return staging->staged[slot].chunks > 0 && staging->staged[slot].last == chunk;
}

/* Was this landing's chunk filled to the end, because the same stream's next one goes on behind it? */
static bool was_filled(const struct lb_staging *staging, unsigned i)
{
    const uint64_t *landing = staging->commit->region[LB_FAST_LANDING].work;

    for (unsigned next = i + 1; next < LB_LANDING_WORDS; next++) {
        uint32_t chunk = lb_landing_chunk(landing[next]);

        if (lb_landing_slot(landing[next]) != lb_landing_slot(landing[i]) ||
            chunk == lb_landing_chunk(landing[i]))
            continue;
        if (!(landing[next] & LB_LANDING_IN_RUN))
            return landing[next] & LB_LANDING_GOES_ON;
        if (chunk < staging->chunk_count && true_end(staging, chunk, 0) > 0)
            return true; /* else one behind it tells, or nothing came there */
    }
    return false;
}

/* One splice that may have happened without being counted. */
static void take_in_landing(struct lb_staging *staging, unsigned i)
{
    uint64_t landing = lb_commit_get(staging->commit, LB_FAST_LANDING, i);
    uint32_t slot = lb_landing_slot(landing), chunk = lb_landing_chunk(landing), len, end;
    struct lb_staged *staged;
    bool is_last;

    if (slot >= staging->max_streams || chunk >= staging->chunk_count ||
        lb_staging_get(staging, slot, LB_STREAM_ID) == 0 ||
        (lb_staging_get(staging, slot, LB_STREAM_INFO) & LB_STREAM_DRAINING))
        return;
    staged = &staging->staged[slot];
    is_last = is_last_of(staging, slot, chunk);
    if (!is_last && get_chunk(staging, chunk) != 0)
        return; /* not ours and not free: nothing was spliced to it for this stream */
    len = is_last ? lb_chunk_len(get_chunk(staging, chunk)) : 0;
    end = was_filled(staging, i) ? LB_CHUNK_BYTES : true_end(staging, chunk, len);
    if (end == len)
        return;
    if (!is_last && staged->chunks > 0) {
        uint64_t last = get_chunk(staging, staged->last);

        put_chunk(staging, staged->last, lb_chunk_pack(lb_chunk_len(last), chunk + 1, slot + 1));
    } else if (!is_last) {
        staged->first = chunk;
        staged->start = 0;
        lb_staging_look_again(staging, slot);
        lb_staging_set(staging, slot, LB_STREAM_FIRST, chunk + 1);
    }
    put_chunk(staging, chunk, lb_chunk_pack(end, 0, slot + 1));
    staged->chunks += is_last ? 0 : 1;
    staged->last = chunk;
    staged->bytes += end - len;
}

/* Wipe all that no chain holds, in front of what is consumed too, and list the free chunks. */
static void wipe_unused(struct lb_staging *staging)
{
    uint8_t *is_used = calloc(staging->chunk_count, 1);

    for (uint32_t slot = 0; is_used && slot < staging->max_streams; slot++) {
        const struct lb_staged *staged = &staging->staged[slot];
        uint32_t chunk = staged->first;

        for (uint32_t i = 0; i < staged->chunks; i++) {
            uint32_t len = lb_chunk_len(get_chunk(staging, chunk));

            is_used[chunk] = 1;
            if (i == 0)
                memset(lb_chunk_bytes(staging, chunk), 0xff, staged->start);
            memset(lb_chunk_bytes(staging, chunk) + len, 0xff, LB_CHUNK_BYTES - len);
            chunk = lb_chunk_next(get_chunk(staging, chunk)) - 1;
        }
    }
    for (uint32_t chunk = staging->chunk_count; is_used && chunk-- > 0;) {
        if (is_used[chunk])
            continue;
        if (get_chunk(staging, chunk) != 0)
            put_chunk(staging, chunk, 0);
        memset(lb_chunk_bytes(staging, chunk), 0xff, LB_CHUNK_BYTES);
        lb_killpoint();
        staging->free_chunks[staging->free_count++] = chunk;
    }
    free(is_used);
}

static int make_private_tables(struct lb_staging *staging)
{
    free(staging->staged);
    free(staging->free_chunks);
    staging->staged = calloc(staging->max_streams, sizeof *staging->staged);
    staging->free_chunks = calloc(staging->chunk_count, sizeof *staging->free_chunks);
    staging->free_count = 0;
    return staging->staged && staging->free_chunks ? 0 : -ENOMEM;
}

/* A redo block may have spoken of a file that is no more (damaged, removed): this one is empty. */
static void begin_anew(struct lb_staging *staging)
{
    memset(staging->header->words, 0,
           sizeof(uint64_t) * (staging->chunk_count + (size_t)staging->max_streams * LB_STREAM_WORDS));
    memset(staging->header->landing, 0, sizeof staging->header->landing);
    lb_commit_reload(staging->commit, LB_FAST_CHUNKS);
    lb_commit_reload(staging->commit, LB_FAST_STREAMS);
    lb_commit_reload(staging->commit, LB_FAST_LANDING);
    staging->is_new = false;
}

int lb_staging_recover(struct lb_staging *staging)
{
    uint8_t *is_used = calloc(staging->chunk_count, 1);
    int rc = is_used ? make_private_tables(staging) : -ENOMEM;

    if (staging->is_new)
        begin_anew(staging);
    for (uint32_t slot = 0; rc == 0 && slot < staging->max_streams; slot++) {
        if (!lb_commit_has_room(staging->commit, 16))
            lb_commit_publish(staging->commit);
        if (lb_staging_get(staging, slot, LB_STREAM_ID) == 0)
            lb_staging_set(staging, slot, LB_STREAM_FIRST, 0);
        else
            follow_chain(staging, slot, is_used);
    }
    free(is_used);
    if (rc < 0)
        return rc;
    /* Cut chains are true before a landing is looked at, and the landings before they are cleared. */
    lb_commit_publish(staging->commit);
    for (unsigned i = 0; i < LB_LANDING_WORDS; i++)
        take_in_landing(staging, i);
    for (unsigned i = 0; i < LB_LANDING_WORDS; i++)
        lb_commit_set(staging->commit, LB_FAST_LANDING, i, 0);
    lb_commit_publish(staging->commit);
    wipe_unused(staging);
    lb_commit_publish(staging->commit);
    return 0;
}

/* Copy one stream with its staged bytes into a new file that nobody else sees yet. */
static void carry_over(const struct lb_staging *from, uint32_t slot, struct lb_staging *to,
                       uint32_t *next_chunk)
{
    uint64_t *words = stream_words(to) + (size_t)slot * LB_STREAM_WORDS;
    uint32_t chunk = from->staged[slot].first, pos = from->staged[slot].start;

    memcpy(&to->names[slot], &from->names[slot], sizeof to->names[slot]);
    for (unsigned i = 0; i < LB_STREAM_WORDS; i++)
        words[i] = lb_staging_get(from, slot, i);
    words[LB_STREAM_FIRST] = from->staged[slot].chunks ? *next_chunk + 1 : 0;
    for (uint32_t i = 0; i < from->staged[slot].chunks; i++) {
        uint64_t word = get_chunk(from, chunk);
        bool has_more = i + 1 < from->staged[slot].chunks;

        memcpy(lb_chunk_bytes(to, *next_chunk), lb_chunk_bytes(from, chunk) + pos, lb_chunk_len(word) - pos);
        to->header->words[*next_chunk] =
            lb_chunk_pack(lb_chunk_len(word) - pos, has_more ? *next_chunk + 2 : 0, slot + 1);
        ++*next_chunk;
        chunk = lb_chunk_next(word) - 1;
        pos = 0;
    }
}

static bool fits(const struct lb_staging *staging, uint32_t chunks, uint32_t max_streams)
{
    for (uint32_t slot = max_streams; slot < staging->max_streams; slot++)
        if (lb_staging_get(staging, slot, LB_STREAM_ID) != 0)
            return false;
    return staging->chunk_count - staging->free_count <= chunks;
}

/* A file of the new size under the final name, with all that is staged in it. */
static int move_to_new_file(struct lb_staging *staging, int dir_fd, size_t bytes, uint32_t max_streams,
                            bool lock)
{
    struct lb_staging *fresh = calloc(1, sizeof *fresh); /* too large for a stack */
    uint32_t next_chunk = 0;
    int rc = fresh ? make_file(dir_fd, bytes, max_streams, lock, &fresh->map) : -ENOMEM;

    if (rc < 0) {
        free(fresh);
        return rc;
    }
    fresh->commit = staging->commit;
    lay_out(fresh);
    for (uint32_t slot = 0; slot < max_streams && slot < staging->max_streams; slot++)
        if (lb_staging_get(staging, slot, LB_STREAM_ID) != 0)
            carry_over(staging, slot, fresh, &next_chunk);
    rc = lb_mapfile_publish(dir_fd, "staging");
    lb_mapfile_close(rc < 0 ? &fresh->map : &staging->map);
    if (rc == 0)
        staging->map = fresh->map;
    free(fresh);
    return rc;
}

int lb_staging_resize(struct lb_staging *staging, int dir_fd, size_t bytes, uint32_t max_streams, bool lock)
{
    int rc;

    if (lb_mapfile_round(bytes) == staging->map.data_bytes && max_streams == staging->max_streams)
        return 0;
    if (!fits(staging, (uint32_t)(lb_mapfile_round(bytes) / LB_CHUNK_BYTES), max_streams))
        return -EBUSY;
    rc = move_to_new_file(staging, dir_fd, bytes, max_streams, lock);
    if (rc < 0)
        return rc;
    lay_out(staging);
    rc = add_regions(staging);
    if (rc < 0)
        return rc;
    lb_commit_reload(staging->commit, LB_FAST_CHUNKS);
    lb_commit_reload(staging->commit, LB_FAST_STREAMS);
    lb_commit_reload(staging->commit, LB_FAST_LANDING);
    return lb_staging_recover(staging);
}

void lb_staging_close(struct lb_staging *staging)
{
    free(staging->staged);
    free(staging->free_chunks);
    lb_mapfile_close(&staging->map);
    staging->staged = NULL;
    staging->free_chunks = NULL;
}
