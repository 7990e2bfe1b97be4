/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_COMPRESS_H
#define LB_SHIP_COMPRESS_H

#include <stddef.h>

#include "common/config.h"

/*
 * Bodies squeezed in one go, by libzstd or zlib. One context, reused: its
 * memory is taken at the first body and kept (facts/sinks.md 10.1).
 */
struct lb_compressor;

/*
 * Make a compressor.
 *   level     1..19 for zstd; gzip takes at most 9 of it; ignored for none
 *   returns   it | NULL out of memory
 *   calls     slow side; free with lb_compressor_free()
 */
struct lb_compressor *lb_compressor_new(enum lb_compression kind, int level);
void lb_compressor_free(struct lb_compressor *compressor);

/*
 * Most bytes that len bytes can become.
 *   calls     any thread
 */
size_t lb_compress_bound(enum lb_compression kind, size_t len);

/*
 * Squeeze from into to.
 *   returns   bytes written | -ENOMEM | -EIO the library failed, which is a bug of ours (it was logged)
 *   calls     slow side
 */
long lb_compress(struct lb_compressor *compressor, const void *from, size_t len, void *to, size_t room);

/*
 * From here on most bodies are not squeezed: their length is guessed from what others of about their size
 * came to lately, and nothing is written. For who counts bytes and sends none (`logboom plan`). Of each size
 * the first ones are squeezed, then one in so many, by chance, and more of them while the guesses are off.
 *   one_in    2 at least
 *   returns   0, and nothing is to be guessed of a kind that squeezes nothing | -ENOMEM
 *   calls     before the first body
 */
int lb_compressor_guess(struct lb_compressor *compressor, unsigned one_in);

/*
 * The share of the bytes so far that were squeezed, 0 to 1; 1 where nothing is guessed.
 *   calls     who called lb_compressor_guess()
 */
double lb_compressor_measured(const struct lb_compressor *compressor);

/*
 * The HTTP Content-Encoding token of a kind; "" for none.
 *   returns   a static string
 */
const char *lb_compression_token(enum lb_compression kind);

#endif
