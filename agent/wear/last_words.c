/* SPDX-License-Identifier: MIT */
/*
 * The kernel's last words. In: files of pstore, a note in tmpfs. Out: texts, and files removed. Always true:
 * a file is removed only when its record is final; a name that the note has is not read again.
 *
 * The note is one line for each file, "NAME RING LANE N", replaced as a whole. Killed between a record and
 * its line, the next agent reads the file again: then it is told twice, and not never.
 */
#include "agent/wear/last_words.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOTE      "last-words"
#define NOTE_NEW  "last-words.new"
#define FILE_MAX  (256 * 1024) /* longer than any record of pstore */
#define DIRECTORY "/sys/fs/pstore"

static int open_directory(const char *root)
{
    char path[PATH_MAX];
    int fd;

    if ((size_t)snprintf(path, sizeof path, "%s" DIRECTORY, root) >= sizeof path)
        return -ENAMETOOLONG;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static struct lb_last_word *find(struct lb_last_words *words, const char *name)
{
    for (unsigned i = 0; i < words->count; i++)
        if (strcmp(words->word[i].name, name) == 0)
            return &words->word[i];
    return NULL;
}

/* The names that are ours: pstore has more than dmesg, and a note may be damaged. */
static bool is_dmesg(const char *name)
{
    return strncmp(name, "dmesg-", 6) == 0 && strlen(name) < LB_LAST_WORDS_NAME &&
           !strpbrk(name, "/ \t\n\v\f\r");
}

/* ---- the note ---- */

static void read_note(struct lb_last_words *words, int dir_fd)
{
    int fd = openat(dir_fd, NOTE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
    char line[LB_LAST_WORDS_NAME + 80];

    if (!file && fd >= 0)
        close(fd);
    while (file && words->count < LB_LAST_WORDS_MAX && fgets(line, sizeof line, file)) {
        struct lb_last_word word = { .state = LB_LAST_WORD_QUEUED };
        uint64_t lane;

        // NOLINTNEXTLINE(cert-err34-c): our own text; what does not fit is no line of ours
        if (sscanf(line, "%63s %" SCNx64 " %" SCNu64 " %" SCNu64, word.name, &word.ring_id, &lane, &word.n) !=
                4 ||
            lane >= LB_LAST_WORDS_LANES || !is_dmesg(word.name) || find(words, word.name))
            continue;
        word.lane = (unsigned)lane;
        words->word[words->count++] = word;
    }
    if (file)
        fclose(file);
}

static void write_note(struct lb_last_words *words, int dir_fd)
{
    int fd = openat(dir_fd, NOTE_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    unsigned lines = 0;

    if (!file) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (unsigned i = 0; i < words->count; i++) {
        const struct lb_last_word *word = &words->word[i];

        if (word->state != LB_LAST_WORD_QUEUED && word->state != LB_LAST_WORD_FINAL)
            continue;
        fprintf(file, "%s %" PRIx64 " %u %" PRIu64 "\n", word->name, word->ring_id, word->lane, word->n);
        lines++;
    }
    if (fclose(file) != 0)
        return; /* a full tmpfs: tried again with the next look */
    if (lines > 0) {
        if (renameat(dir_fd, NOTE_NEW, dir_fd, NOTE) != 0)
            return;
    } else {
        unlinkat(dir_fd, NOTE_NEW, 0);
        unlinkat(dir_fd, NOTE, 0);
    }
    words->is_changed = false;
}

/* ---- files ---- */

static char *read_file(int pstore_fd, const char *name, size_t *ret_len)
{
    int fd = openat(pstore_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char *text = fd >= 0 ? malloc(FILE_MAX) : NULL;
    size_t len = 0;
    ssize_t got;

    while (text && len < FILE_MAX && (got = read(fd, text + len, FILE_MAX - len)) > 0)
        len += (size_t)got;
    if (fd >= 0)
        close(fd);
    *ret_len = len;
    return text;
}

/* Where the last max_bytes begin: from the start of a line if one starts in them. */
static size_t cut(const char *text, size_t len, size_t max_bytes)
{
    size_t from = len > max_bytes ? len - max_bytes : 0;
    const char *line;

    if (from == 0 || text[from - 1] == '\n')
        return from;
    line = memchr(text + from, '\n', len - from);
    return line && line + 1 < text + len ? (size_t)(line + 1 - text) : from;
}

/* The end of a file: the newest is last. */
static void read_word(struct lb_last_word *word, int pstore_fd, size_t max_bytes)
{
    size_t len, from;
    char *text = read_file(pstore_fd, word->name, &len);

    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\0'))
        len--;
    from = cut(text, len, max_bytes);
    word->len = len - from;
    if (word->len > 0) { /* of its own size: the room for reading is much larger, and it may wait long */
        word->text = malloc(word->len);
        if (word->text)
            memcpy(word->text, text + from, word->len);
    }
    free(text);
    if (!word->text) /* nothing in it, or not to be read */
        word->state = LB_LAST_WORD_GONE;
}

static int by_name(const struct dirent **one, const struct dirent **other)
{
    return strcmp((*one)->d_name, (*other)->d_name);
}

static int is_wanted(const struct dirent *entry)
{
    return is_dmesg(entry->d_name);
}

void lb_last_words_look(struct lb_last_words *words, const char *root, int dir_fd, size_t max_bytes)
{
    int fd = open_directory(root), found;
    struct dirent **entries = NULL;

    words->was_looked_at = true;
    read_note(words, dir_fd);
    words->error = fd < 0 ? fd : 0;
    found = fd < 0 ? 0 : scandirat(fd, ".", &entries, is_wanted, by_name);
    if (found < 0)
        words->error = -errno;
    for (int i = 0; i < found; i++) {
        if (words->count < LB_LAST_WORDS_MAX && !find(words, entries[i]->d_name)) {
            struct lb_last_word *word = &words->word[words->count];

            memset(word, 0, sizeof *word);
            memcpy(word->name, entries[i]->d_name, strlen(entries[i]->d_name) + 1);
            read_word(word, fd, max_bytes);
            words->count += word->state == LB_LAST_WORD_READ;
        }
        free(entries[i]);
    }
    free(entries);
    if (fd >= 0)
        close(fd);
}

void lb_last_words_settle(struct lb_last_words *words, const char *root, int dir_fd)
{
    int fd = -1;

    for (unsigned i = 0; i < words->count; i++) {
        struct lb_last_word *word = &words->word[i];

        if (word->state != LB_LAST_WORD_FINAL)
            continue;
        if (fd < 0)
            fd = open_directory(root);
        /* Who may read it and not remove it keeps its name in the note, and so does not read it again. */
        if (fd < 0 || (unlinkat(fd, word->name, 0) != 0 && errno != ENOENT))
            continue;
        word->state = LB_LAST_WORD_GONE;
        words->is_changed = true;
    }
    if (fd >= 0)
        close(fd);
    if (words->is_changed)
        write_note(words, dir_fd);
}

void lb_last_words_free(struct lb_last_words *words)
{
    for (unsigned i = 0; i < words->count; i++)
        free(words->word[i].text);
    memset(words, 0, sizeof *words);
}
