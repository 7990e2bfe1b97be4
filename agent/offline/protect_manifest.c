/* SPDX-License-Identifier: MIT */
/*
 * The manifest. In: its text, files. Out: what is ours. Always true: only our own files and directories can
 * be named in one, so that no text of a manifest makes an undo remove anything else.
 */
#define XXH_INLINE_ALL
#include "agent/offline/protect_manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/mounts.h"

#define FIRST_LINE "logboom protect 1"
#define TEXT_MOST  8192

const char *const lb_protect_dirs[LB_PROTECT_DIRS + 1] = {
    "/etc/logboom",
    "/etc/systemd",
    "/etc/systemd/journald.conf.d",
    "/etc/systemd/timesyncd.conf.d",
    "/etc/systemd/system",
    "/etc/systemd/system/multi-user.target.wants",
    "/etc/sysctl.d",
};

static const char *const pending_words[] = { "journald", "timesyncd", "mounts", "sysctl" };
#define PENDING_WORDS (sizeof pending_words / sizeof pending_words[0])

/* ---- from a text ---- */

static int take_dir(struct lb_protect_manifest *to, const char *path)
{
    for (unsigned i = 0; lb_protect_dirs[i]; i++)
        if (strcmp(lb_protect_dirs[i], path) == 0) {
            to->dirs |= 1u << i;
            return 0;
        }
    return -EINVAL;
}

static int take_file(struct lb_protect_manifest *to, const char *text)
{
    uint64_t hash;
    int at = 0;

    // NOLINTNEXTLINE(cert-err34-c): sixteen digits do not overflow
    if (sscanf(text, "%16" SCNx64 " %n", &hash, &at) != 1 || at == 0)
        return -EINVAL;
    for (int i = 0; i < LB_PROTECT_FILES; i++)
        if (strcmp(lb_protect_paths[i], text + at) == 0) {
            if (to->file[i].versions == LB_PROTECT_VERSIONS)
                return -EINVAL;
            to->file[i].hash[to->file[i].versions++] = hash;
            return 0;
        }
    return -EINVAL;
}

/* Only what an undo has use for: it goes to mount(8). */
static bool are_options(const char *text)
{
    return text[0] != '\0' && text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789,=_")] == '\0';
}

static int take_before(struct lb_protect_manifest *to, const char *text)
{
    struct lb_protect_remount *before = &to->before[to->befores];
    size_t len = strcspn(text, " ");

    if (to->befores == LB_PROTECT_REMOUNTS || text[len] != ' ' || len >= sizeof before->before ||
        strlen(text + len + 1) >= sizeof before->point || text[len + 1] != '/')
        return -EINVAL;
    snprintf(before->before, sizeof before->before, "%.*s", (int)len, text);
    snprintf(before->point, sizeof before->point, "%s", text + len + 1);
    lb_mounts_unescape(before->point);
    to->befores++;
    return are_options(before->before) ? 0 : -EINVAL;
}

static int take_number(struct lb_protect_manifest *to, const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);

    if (end == text || *end || number < 0 || number > 200) /* the kernel's bounds */
        return -EINVAL;
    to->swappiness = (int)number;
    return 0;
}

static int take_pending(struct lb_protect_manifest *to, char *text)
{
    char *rest;

    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        size_t i = 0;

        while (i < PENDING_WORDS && strcmp(pending_words[i], word) != 0)
            i++;
        if (i == PENDING_WORDS)
            return -EINVAL;
        to->pending |= 1u << i;
    }
    return 0;
}

static int take_line(struct lb_protect_manifest *to, char *line)
{
    char *rest = strchr(line, ' ');

    if (!rest)
        return -EINVAL;
    *rest++ = '\0';
    if (strcmp(line, "dir") == 0)
        return take_dir(to, rest);
    if (strcmp(line, "file") == 0)
        return take_file(to, rest);
    if (strcmp(line, "before") == 0)
        return take_before(to, rest);
    if (strcmp(line, "swappiness") == 0)
        return take_number(to, rest);
    return strcmp(line, "pending") == 0 ? take_pending(to, rest) : -EINVAL;
}

int lb_protect_manifest_parse(const char *text, struct lb_protect_manifest *ret_manifest)
{
    struct lb_protect_manifest found = { .is_there = true, .swappiness = -1 };
    char *copy = strdup(text), *rest, *line;
    int rc = copy ? 0 : -ENOMEM;

    line = rc == 0 ? strtok_r(copy, "\n", &rest) : NULL;
    if (rc == 0 && (!line || strcmp(line, FIRST_LINE) != 0))
        rc = -EINVAL;
    while (rc == 0 && (line = strtok_r(NULL, "\n", &rest)))
        rc = take_line(&found, line);
    free(copy);
    if (rc == 0)
        *ret_manifest = found;
    return rc;
}

int lb_protect_manifest_read(const struct lb_protect_tree *tree, struct lb_protect_manifest *ret_manifest)
{
    char text[TEXT_MOST];
    size_t len;
    int rc = lb_protect_read(tree, LB_PROTECT_MANIFEST, text, sizeof text, &len);

    if (rc == -ENOENT || rc == -ENOTDIR) {
        *ret_manifest = (struct lb_protect_manifest) { .swappiness = -1 };
        return 0;
    }
    if (rc == -E2BIG || (rc == 0 && strlen(text) != len))
        return -EINVAL;
    return rc == 0 ? lb_protect_manifest_parse(text, ret_manifest) : rc;
}

/* ---- to a text ---- */

static void print_point(FILE *out, const char *point)
{
    for (; *point; point++)
        if ((unsigned char)*point <= ' ' || *point == '\\')
            fprintf(out, "\\%03o", (unsigned char)*point);
        else
            fputc(*point, out);
}

static void print(FILE *out, const struct lb_protect_manifest *from)
{
    fputs(FIRST_LINE "\n", out);
    for (unsigned i = 0; lb_protect_dirs[i]; i++)
        if (from->dirs >> i & 1)
            fprintf(out, "dir %s\n", lb_protect_dirs[i]);
    for (int i = 0; i < LB_PROTECT_FILES; i++)
        for (unsigned v = 0; v < from->file[i].versions; v++)
            fprintf(out, "file %016" PRIx64 " %s\n", from->file[i].hash[v], lb_protect_paths[i]);
    for (size_t i = 0; i < from->befores; i++) {
        fprintf(out, "before %s ", from->before[i].before);
        print_point(out, from->before[i].point);
        fputc('\n', out);
    }
    if (from->swappiness >= 0)
        fprintf(out, "swappiness %d\n", from->swappiness);
    if (from->pending) {
        fputs("pending", out);
        for (size_t i = 0; i < PENDING_WORDS; i++)
            if (from->pending >> i & 1)
                fprintf(out, " %s", pending_words[i]);
        fputc('\n', out);
    }
}

int lb_protect_manifest_write(const struct lb_protect_tree *tree, const struct lb_protect_manifest *manifest)
{
    char text[TEXT_MOST] = "", now[TEXT_MOST];
    FILE *out = fmemopen(text, sizeof text, "w");
    size_t len;

    if (!out)
        return -ENOMEM;
    print(out, manifest);
    if (fclose(out) != 0)
        return -EIO;
    if (lb_protect_read(tree, LB_PROTECT_MANIFEST, now, sizeof now, &len) == 0 && strcmp(now, text) == 0)
        return 0;
    return lb_protect_write(tree, LB_PROTECT_MANIFEST, text, strlen(text), 0644);
}

/* ---- the files it tells of ---- */

uint64_t lb_protect_hash(const char *text, size_t len)
{
    return XXH3_64bits(text, len);
}

static int read_ours(const struct lb_protect_tree *tree, enum lb_protect_file file, char *buf, size_t size,
                     size_t *ret_len)
{
    int rc;

    if (file != LB_PROTECT_UNIT_LINK)
        return lb_protect_read(tree, lb_protect_paths[file], buf, size, ret_len);
    rc = lb_protect_read_link(tree, lb_protect_paths[file], buf, size);
    *ret_len = rc == 0 ? strlen(buf) : 0;
    return rc;
}

enum lb_protect_is lb_protect_file_is(const struct lb_protect_tree *tree,
                                      const struct lb_protect_manifest *manifest, enum lb_protect_file file)
{
    char text[LB_PROTECT_FILE_TEXT + 1];
    struct stat st;
    size_t len;

    if (lb_protect_stat(tree, lb_protect_paths[file], true, &st) == -ENOENT)
        return LB_PROTECT_IS_MISSING;
    if (S_ISLNK(st.st_mode) != (file == LB_PROTECT_UNIT_LINK) ||
        read_ours(tree, file, text, sizeof text, &len) != 0)
        return LB_PROTECT_IS_FOREIGN;
    for (unsigned i = 0; i < manifest->file[file].versions; i++)
        if (manifest->file[file].hash[i] == lb_protect_hash(text, len))
            return LB_PROTECT_IS_OURS;
    return LB_PROTECT_IS_FOREIGN;
}

bool lb_protect_file_has(const struct lb_protect_tree *tree, enum lb_protect_file file, const char *text)
{
    char now[LB_PROTECT_FILE_TEXT + 1];
    size_t len;

    return read_ours(tree, file, now, sizeof now, &len) == 0 && strcmp(now, text) == 0;
}
