/* SPDX-License-Identifier: MIT */
/* Reading an agent's held pool from outside. In: a file that changes meanwhile. Out: whole records, oldest
 * first. */
#include "agent/offline/held_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/store/killpoint.h"
#include "agent/store/ring.h"

#define BROUGHT_ALONG 8 /* chunks between two looks; a service that is loud goes through more */

static uint64_t word(const struct lb_held_reader *reader, uint32_t chunk, unsigned which)
{
    return lb_load(&reader->header->words[chunk * LB_HELD_WORDS + which]);
}

/* How many chunks a file says that it has, by its first page. */
static int64_t look(int fd, size_t bytes)
{
    struct lb_mapfile map;
    uint32_t chunks;
    int rc = lb_mapfile_open_readonly(fd, LB_MAP_ALIGN, 0, &map);

    if (rc < 0)
        return rc;
    chunks = lb_held_check_identity((const struct lb_held_header *)(const void *)map.header, bytes);
    map.fd = -1; /* the caller's, and mapped again */
    lb_mapfile_close(&map);
    return chunks > 0 ? (int64_t)chunks : -EPROTO;
}

int lb_held_reader_open(struct lb_held_reader *reader, int fd)
{
    struct stat st;
    int64_t chunks;
    int rc;

    memset(reader, 0, sizeof *reader);
    reader->map.fd = -1;
    if (fstat(fd, &st) != 0)
        return -errno;
    chunks = look(fd, (size_t)st.st_size);
    if (chunks < 0)
        return (int)chunks;
    reader->seen = calloc((size_t)chunks, sizeof *reader->seen);
    reader->record = malloc(LB_HELD_CHUNK_BYTES);
    rc = reader->seen && reader->record
             ? lb_mapfile_open_readonly(fd, lb_held_header_bytes((uint64_t)chunks), 0, &reader->map)
             : -ENOMEM;
    if (rc < 0) {
        free(reader->seen);
        free(reader->record);
        reader->map.fd = -1;
        return rc;
    }
    reader->header = (const struct lb_held_header *)(const void *)reader->map.header;
    reader->chunks = (uint32_t)chunks;
    return 0;
}

/* Is there something in a chunk that was not read? What was given up and filled anew is read from its begin.
 */
static bool has_more(struct lb_held_reader *reader, uint32_t chunk)
{
    struct lb_held_seen *seen = &reader->seen[chunk];
    uint64_t seq = word(reader, chunk, LB_HELD_SEQ), used = word(reader, chunk, LB_HELD_USED);

    if (seq != seen->seq)
        *seen = (struct lb_held_seen) { .seq = seq };
    return word(reader, chunk, LB_HELD_OWNER) > 0 && used <= LB_HELD_CHUNK_BYTES &&
           seen->at + sizeof(struct lb_record) <= used;
}

/* Copy a chunk's next record. false: it was overwritten while we did, and the rest of the chunk is passed
 * over */
static bool copy(struct lb_held_reader *reader, uint32_t chunk, struct lb_record *to)
{
    struct lb_held_seen *seen = &reader->seen[chunk];
    const uint8_t *from = reader->map.data + (size_t)chunk * LB_HELD_CHUNK_BYTES + seen->at;
    uint64_t room = LB_HELD_CHUNK_BYTES - seen->at;

    memcpy(to, from, sizeof *to);
    if (to->len < sizeof *to || to->len > room) {
        seen->at = LB_HELD_CHUNK_BYTES;
        return false;
    }
    memcpy(to, from, to->len);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (word(reader, chunk, LB_HELD_SEQ) == seen->seq && lb_record_is_whole(to, room, LB_HELD_CHUNK_BYTES))
        return true;
    seen->at = LB_HELD_CHUNK_BYTES;
    return false;
}

const struct lb_record *lb_held_reader_peek(struct lb_held_reader *reader)
{
    uint64_t oldest_ns = UINT64_MAX;
    uint32_t best = reader->chunks;

    if (reader->has_record)
        return reader->record;
    for (uint32_t chunk = 0; chunk < reader->chunks; chunk++) {
        uint64_t boot_ns;

        if (!has_more(reader, chunk))
            continue;
        memcpy(&boot_ns,
               reader->map.data + (size_t)chunk * LB_HELD_CHUNK_BYTES + reader->seen[chunk].at +
                   offsetof(struct lb_record, boot_ns),
               sizeof boot_ns);
        if (boot_ns < oldest_ns || best == reader->chunks) {
            oldest_ns = boot_ns;
            best = chunk;
        }
    }
    if (best == reader->chunks)
        return NULL;
    if (!copy(reader, best, reader->record))
        return lb_held_reader_peek(reader); /* each time one chunk less */
    reader->seen[best].at += reader->record->len;
    reader->has_record = true;
    return reader->record;
}

void lb_held_reader_take(struct lb_held_reader *reader)
{
    reader->has_record = false;
}

/*
 * Chunks are numbered as they are taken: those whose numbers are nowhere any more came and went. A few do so
 * when what is held is brought along by an error; that is not lost to us, for it is in the ring then.
 */
static uint64_t count_vanished(struct lb_held_reader *reader)
{
    uint64_t newest = reader->newest_seq, there = 0, vanished;

    for (uint32_t chunk = 0; chunk < reader->chunks; chunk++) {
        uint64_t seq = word(reader, chunk, LB_HELD_SEQ);

        newest = seq > newest ? seq : newest;
        there += seq > reader->newest_seq;
    }
    vanished = newest - reader->newest_seq;
    reader->newest_seq = newest;
    return vanished > there + BROUGHT_ALONG ? vanished - there : 0;
}

uint64_t lb_held_reader_skip(struct lb_held_reader *reader)
{
    uint64_t bytes = count_vanished(reader) * LB_HELD_CHUNK_BYTES;

    for (uint32_t chunk = 0; chunk < reader->chunks; chunk++) {
        uint64_t used;

        if (!has_more(reader, chunk))
            continue;
        used = word(reader, chunk, LB_HELD_USED);
        if (used > LB_HELD_CHUNK_BYTES)
            used = LB_HELD_CHUNK_BYTES;
        bytes += used > reader->seen[chunk].at ? used - reader->seen[chunk].at : 0;
        reader->seen[chunk].at = used;
    }
    reader->has_record = false;
    return bytes;
}

void lb_held_reader_close(struct lb_held_reader *reader)
{
    if (reader->header)
        lb_mapfile_close(&reader->map);
    free(reader->seen);
    free(reader->record);
    memset(reader, 0, sizeof *reader);
    reader->map.fd = -1;
}
