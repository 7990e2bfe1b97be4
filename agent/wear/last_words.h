/* SPDX-License-Identifier: MIT */
#ifndef LB_WEAR_LAST_WORDS_H
#define LB_WEAR_LAST_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the kernel said last before it died: dmesg records that pstore kept over
 * the reboot (facts/storage.md 4), in RAM or in what the firmware stores. Each
 * becomes one record, and its file is removed when that is delivered, so that
 * there is room for the next.
 *
 *   /sys/fs/pstore/dmesg-* ── read once a boot ──▶ queued ── final ──▶ removed
 *
 * What was read is remembered in the runtime directory, in RAM: an agent that is
 * started anew goes on, and reads nothing twice.
 */
#define LB_LAST_WORDS_MAX   8     /* files of one boot; more wait for the next */
#define LB_LAST_WORDS_BYTES 16384 /* of a text: its end, which is the newest */
#define LB_LAST_WORDS_NAME  64
#define LB_LAST_WORDS_LANES 2 /* of a ring: a note that names another is damaged */

enum lb_last_word_state {
    LB_LAST_WORD_READ = 0, /* its text is there, and is not queued yet */
    LB_LAST_WORD_QUEUED,   /* it has a number */
    LB_LAST_WORD_FINAL,    /* to be removed */
    LB_LAST_WORD_GONE
};

struct lb_last_word {
    char name[LB_LAST_WORDS_NAME];
    enum lb_last_word_state state;
    char *text; /* of those that are read; owned */
    size_t len;
    uint64_t ring_id, n; /* of those that are queued */
    unsigned lane;
};

struct lb_last_words {
    struct lb_last_word word[LB_LAST_WORDS_MAX];
    unsigned count;
    bool was_looked_at, is_changed; /* is_changed: what is remembered is not as it is */
    int error; /* negative errno of reading the directory, what the note has is known all the same; 0; -ENOENT
                  there is no pstore */
};

/*
 * Find what is there, or what an agent before us was at. A text that is longer
 * than max_bytes is cut to its end, from the start of a line if there is one;
 * newlines and NULs behind it go. What cannot be read, or has nothing in it, is
 * left where it is, and so are names with blanks, which pstore does not give.
 *   root      what stands before /sys
 *   dir_fd    of the runtime directory
 *   max_bytes of a text
 *   calls     the wear thread, once; may wait for the kernel
 */
void lb_last_words_look(struct lb_last_words *words, const char *root, int dir_fd, size_t max_bytes);

/*
 * Remove the files of those that are final, and remember how it stands.
 *   calls     the wear thread
 */
void lb_last_words_settle(struct lb_last_words *words, const char *root, int dir_fd);

/*
 * Free the texts.
 *   calls     any thread
 */
void lb_last_words_free(struct lb_last_words *words);

#endif
