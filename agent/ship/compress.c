/* SPDX-License-Identifier: MIT */
/* Compression of bodies. In: raw bytes. Out: one zstd frame, one gzip member, or the same bytes. */
#include "agent/ship/compress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "agent/ship/compress_guess.h"
#include "common/log.h"

#define GZIP_WINDOW (15 + 16) /* zlib: the largest window, with a gzip head */

struct lb_compressor {
    enum lb_compression kind;
    int level;
    ZSTD_CCtx *zstd;
    z_stream gzip;
    int has_gzip;
    struct lb_compress_guess *guess; /* NULL: all is squeezed */
};

static int start_gzip(struct lb_compressor *compressor)
{
    int level = compressor->level < 9 ? compressor->level : 9;

    if (deflateInit2(&compressor->gzip, level, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    compressor->has_gzip = 1;
    return 0;
}

struct lb_compressor *lb_compressor_new(enum lb_compression kind, int level)
{
    struct lb_compressor *compressor = calloc(1, sizeof *compressor);

    if (!compressor)
        return NULL;
    compressor->kind = kind;
    compressor->level = level;
    if (kind == LB_COMPRESSION_ZSTD)
        compressor->zstd = ZSTD_createCCtx();
    if ((kind == LB_COMPRESSION_ZSTD && !compressor->zstd) ||
        (kind == LB_COMPRESSION_GZIP && start_gzip(compressor) < 0)) {
        free(compressor);
        return NULL;
    }
    return compressor;
}

void lb_compressor_free(struct lb_compressor *compressor)
{
    if (!compressor)
        return;
    ZSTD_freeCCtx(compressor->zstd);
    if (compressor->has_gzip)
        deflateEnd(&compressor->gzip);
    free(compressor->guess);
    free(compressor);
}

size_t lb_compress_bound(enum lb_compression kind, size_t len)
{
    if (kind == LB_COMPRESSION_ZSTD)
        return ZSTD_compressBound(len);
    if (kind == LB_COMPRESSION_GZIP)
        return compressBound(len) + 32; /* compressBound() speaks of zlib's head, gzip's is longer */
    return len;
}

static long squeeze_gzip(struct lb_compressor *compressor, const void *from, size_t len, void *to,
                         size_t room)
{
    z_stream *gzip = &compressor->gzip;

    if (deflateReset(gzip) != Z_OK)
        return -EIO;
    gzip->next_in = (z_const Bytef *)(uintptr_t)from;
    gzip->avail_in = (uInt)len;
    gzip->next_out = to;
    gzip->avail_out = (uInt)room;
    return deflate(gzip, Z_FINISH) == Z_STREAM_END ? (long)(room - gzip->avail_out) : -EIO;
}

static long squeeze(struct lb_compressor *compressor, const void *from, size_t len, void *to, size_t room)
{
    size_t got;
    long rc;

    switch (compressor->kind) {
    case LB_COMPRESSION_ZSTD:
        got = ZSTD_compressCCtx(compressor->zstd, to, room, from, len, compressor->level);
        if (!ZSTD_isError(got))
            return (long)got;
        lb_log(LB_LEVEL_ERROR, "zstd cannot compress %zu bytes: %s", len, ZSTD_getErrorName(got));
        return -EIO;
    case LB_COMPRESSION_GZIP:
        rc = squeeze_gzip(compressor, from, len, to, room);
        if (rc < 0)
            lb_log(LB_LEVEL_ERROR, "zlib cannot compress %zu bytes", len);
        return rc;
    case LB_COMPRESSION_NONE:
        break;
    }
    memcpy(to, from, len);
    return (long)len;
}

/*
 * What a body may come to, by a look at it: its length, or what some slices of it are squeezed to. They are
 * gathered where the body would go, behind what they come to.
 */
static size_t look_at(struct lb_compressor *compressor, const char *from, size_t len, char *to, size_t room)
{
    size_t slice = LB_GUESS_PART(len) / LB_GUESS_SLICES, part = slice * LB_GUESS_SLICES;
    char *gathered = to + room - part;
    long got;

    if (len < LB_GUESS_LONG)
        return len;
    for (size_t i = 0; i < LB_GUESS_SLICES; i++)
        memcpy(gathered + i * slice, from + (2 * i + 1) * len / (2 * LB_GUESS_SLICES) - slice / 2, slice);
    got = squeeze(compressor, gathered, part, to, room - part);
    return got > 0 ? (size_t)got : len;
}

long lb_compress(struct lb_compressor *compressor, const void *from, size_t len, void *to, size_t room)
{
    size_t look, guessed;
    long got;

    if (!compressor->guess)
        return squeeze(compressor, from, len, to, room);
    look = look_at(compressor, from, len, to, room);
    guessed = lb_compress_guess(compressor->guess, len, look);
    if (guessed > 0)
        return (long)(guessed < room ? guessed : room);
    got = squeeze(compressor, from, len, to, room);
    if (got > 0)
        lb_compress_learn(compressor->guess, len, look, (size_t)got);
    return got;
}

int lb_compressor_guess(struct lb_compressor *compressor, unsigned one_in)
{
    if (compressor->kind == LB_COMPRESSION_NONE)
        return 0;
    compressor->guess = calloc(1, sizeof *compressor->guess);
    if (!compressor->guess)
        return -ENOMEM;
    compressor->guess->one_in = one_in;
    return 0;
}

double lb_compressor_measured(const struct lb_compressor *compressor)
{
    const struct lb_compress_guess *guess = compressor->guess;

    return guess && guess->bytes > 0 ? 1 - (double)guess->guessed_bytes / (double)guess->bytes : 1;
}

const char *lb_compression_token(enum lb_compression kind)
{
    return kind == LB_COMPRESSION_ZSTD ? "zstd" : kind == LB_COMPRESSION_GZIP ? "gzip" : "";
}
