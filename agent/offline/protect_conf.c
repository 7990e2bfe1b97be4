/* SPDX-License-Identifier: MIT */
/*
 * Settings of systemd. In: files and their drop-ins. Out: keys with values, in the order that decides. Always
 * true: memory is that of one file and of the names of drop-ins; any bytes may stand in a file.
 */
#include "agent/offline/protect_conf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DROP_INS_MOST 256 /* of one file */
#define LINE_MOST     4096

static const char *const homes[] = { "/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib" };
#define HOMES (sizeof homes / sizeof homes[0])

/* ---- a text ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/* Blanks at both ends cut, in place. */
static char *trimmed(char *text)
{
    size_t len;

    while (is_blank(*text))
        text++;
    len = strlen(text);
    while (len > 0 && is_blank(text[len - 1]))
        len--;
    text[len] = '\0';
    return text;
}

struct lines {
    const char *at, *end;
    char line[LINE_MOST]; /* what was joined; cut if longer */
    size_t len;
};

/* The next line of the file behind what is in line. Returns true if it ends in a backslash. */
static bool append(struct lines *lines, const char *text, size_t len)
{
    bool goes_on;

    while (len > 0 && text[len - 1] == '\r')
        len--;
    goes_on = len > 0 && text[len - 1] == '\\';
    for (size_t i = 0; i < len - goes_on && lines->len + 1 < sizeof lines->line; i++)
        lines->line[lines->len++] = text[i] == '\0' ? '?' : text[i];
    if (goes_on && lines->len + 1 < sizeof lines->line)
        lines->line[lines->len++] = ' ';
    lines->line[lines->len] = '\0';
    return goes_on;
}

static bool next_line(struct lines *lines)
{
    bool goes_on = true, has_any = false;

    lines->len = 0;
    lines->line[0] = '\0';
    while (goes_on && lines->at < lines->end) {
        const char *from = lines->at;
        const char *end = memchr(from, '\n', (size_t)(lines->end - from));
        size_t len = (size_t)((end ? end : lines->end) - from), blanks = 0;

        lines->at = end ? end + 1 : lines->end;
        while (blanks < len && is_blank(from[blanks]))
            blanks++;
        if (blanks < len && (from[blanks] == '#' || from[blanks] == ';')) {
            if (!has_any)
                return true; /* an empty line, as good as a comment */
            continue;        /* within a value it is passed over */
        }
        has_any = true;
        goes_on = append(lines, from, len);
    }
    return has_any;
}

void lb_protect_conf_parse(const char *text, size_t len, const char *file, lb_protect_conf_key key, void *arg)
{
    struct lines lines = { .at = text, .end = text + len };
    char section[LB_PROTECT_VALUE] = "";

    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        lines.at += 3;
    while (next_line(&lines)) {
        char *line = trimmed(lines.line), *equals, value[LB_PROTECT_VALUE];
        size_t line_len = strlen(line);

        if (line[0] == '[' && line[line_len - 1] == ']') {
            snprintf(section, sizeof section, "%.*s", (int)(line_len - 2), line + 1);
            continue;
        }
        equals = strchr(line, '=');
        if (!equals || equals == line)
            continue;
        *equals = '\0';
        snprintf(value, sizeof value, "%s", trimmed(equals + 1));
        key(arg, file, section, trimmed(line), value);
    }
}

/* ---- files ---- */

/* 0: it is read, or not there, or masked; 1: it could not be read. */
static unsigned read_file(const struct lb_protect_tree *tree, const char *path, lb_protect_conf_key key,
                          void *arg)
{
    char *text = malloc(LB_PROTECT_FILE_MOST);
    size_t len;
    int rc = text ? lb_protect_read(tree, path, text, LB_PROTECT_FILE_MOST, &len) : -ENOMEM;

    if (rc == 0)
        lb_protect_conf_parse(text, len, path, key, arg);
    free(text);
    return rc == 0 || rc == -ENOENT || rc == -ENOTDIR || rc == -ENXIO ? 0 : 1;
}

struct drop_ins {
    struct drop_in {
        char *name;
        size_t home;
    } at[DROP_INS_MOST];
    size_t count;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct drop_in *)a)->name, ((const struct drop_in *)b)->name);
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len > end_len && strcmp(text + len - end_len, end) == 0;
}

static bool has(const struct drop_ins *found, const char *name)
{
    for (size_t i = 0; i < found->count; i++)
        if (strcmp(found->at[i].name, name) == 0)
            return true;
    return false;
}

/* Those of one home, but for names that an earlier home has. */
static void take_home(const struct lb_protect_tree *tree, const char *below, size_t home, const char *without,
                      struct drop_ins *found)
{
    char path[PATH_MAX], **names;
    size_t count;

    if ((size_t)snprintf(path, sizeof path, "%s/%s", homes[home], below) >= sizeof path ||
        lb_protect_list(tree, path, DROP_INS_MOST, &names, &count) != 0)
        return;
    for (size_t i = 0; i < count; i++) {
        if (!ends_with(names[i], ".conf") || found->count == DROP_INS_MOST || has(found, names[i]) ||
            (without && strcmp(names[i], without) == 0))
            continue;
        found->at[found->count++] = (struct drop_in) { names[i], home };
        names[i] = NULL;
    }
    lb_protect_names_free(names, count);
}

static unsigned read_drop_ins(const struct lb_protect_tree *tree, const char *below, const char *without,
                              lb_protect_conf_key key, void *arg)
{
    struct drop_ins found = { .count = 0 };
    char path[PATH_MAX];
    unsigned faults = 0;

    for (size_t home = 0; home < HOMES; home++)
        take_home(tree, below, home, without, &found);
    if (found.count > 0)
        qsort(found.at, found.count, sizeof found.at[0], by_name);
    for (size_t i = 0; i < found.count; i++) {
        if ((size_t)snprintf(path, sizeof path, "%s/%s/%s", homes[found.at[i].home], below,
                             found.at[i].name) < sizeof path)
            faults += read_file(tree, path, key, arg);
        free(found.at[i].name);
    }
    return faults;
}

unsigned lb_protect_conf_read(const struct lb_protect_tree *tree, const char *where, const char *name,
                              const char *without, lb_protect_conf_key key, void *arg)
{
    char path[PATH_MAX];
    unsigned faults = 0;

    for (size_t home = 0; home < HOMES; home++) {
        struct stat st;

        if ((size_t)snprintf(path, sizeof path, "%s/%s/%s", homes[home], where, name) >= sizeof path ||
            lb_protect_stat(tree, path, true, &st) != 0)
            continue;
        faults += read_file(tree, path, key, arg);
        break;
    }
    if ((size_t)snprintf(path, sizeof path, "%s/%s.d", where, name) < sizeof path)
        faults += read_drop_ins(tree, path, without, key, arg);
    return faults;
}

/* systemd-sysctl's files have no sections, and a minus in front of what may fail. */
struct plain {
    lb_protect_conf_key key;
    void *arg;
};

static void take_plain(void *arg, const char *file, const char *section, const char *key, const char *value)
{
    const struct plain *plain = arg;

    (void)section;
    plain->key(plain->arg, file, "", key[0] == '-' ? key + 1 : key, value);
}

unsigned lb_protect_conf_read_dir(const struct lb_protect_tree *tree, const char *where, const char *without,
                                  lb_protect_conf_key key, void *arg)
{
    struct plain plain = { key, arg };

    return read_drop_ins(tree, where, without, take_plain, &plain);
}

void lb_protect_conf_take(void *arg, const char *file, const char *section, const char *key,
                          const char *value)
{
    for (struct lb_protect_setting *at = arg; at->key; at++) {
        if (strcmp(at->section, section) != 0 || strcmp(at->key, key) != 0)
            continue;
        at->is_set = value[0] != '\0';
        snprintf(at->value, sizeof at->value, "%s", value);
        snprintf(at->file, sizeof at->file, "%s", file);
    }
}

bool lb_protect_conf_find(const struct lb_protect_tree *tree, const char *name, char ret_path[PATH_MAX])
{
    for (size_t home = 0; home < HOMES; home++) {
        char target[PATH_MAX];
        struct stat st;

        if ((size_t)snprintf(ret_path, PATH_MAX, "%s/%s", homes[home], name) >= PATH_MAX ||
            lb_protect_stat(tree, ret_path, true, &st) != 0)
            continue;
        if (S_ISLNK(st.st_mode) && lb_protect_read_link(tree, ret_path, target, sizeof target) == 0 &&
            strcmp(target, "/dev/null") == 0)
            return false;
        return !S_ISREG(st.st_mode) || st.st_size > 0;
    }
    return false;
}
