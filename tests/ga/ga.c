/* SPDX-License-Identifier: MIT */
/*
 * How well lines are told apart. In: log sets with their true templates (../shared/data/logs). Out: the
 * grouping accuracy of agent/shape/pattern.c on each, whole lines and content alone, beside Drain's published
 * figure: the share of lines whose group holds exactly the lines of their true one.
 *
 *     ga FOLDER [-v SET]      with -v: the groups of one set that are not right
 *
 * Sets are those of FOLDER/DRAIN-GA.json, "drain_2k", that lie beside it. Ends with 1 where a set is more
 * than 0.10 below Drain's figure, or the mean below 0.85; with 2 where there is no set. Both are asked of
 * whole lines too, though Drain's figures are for content.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/shape/pattern.h"

#define LINES_MAX     4096
#define FIGURES_BYTES 65536
#define BELOW_MAX     0.10
#define MEAN_MIN      0.85

struct line {
    char text[4096];
    size_t len, content_at;
    char truth[16];
    uint64_t id;
};

static struct line lines[LINES_MAX];
static size_t count;

static FILE *open_file(const char *folder, const char *set, const char *ending)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s_2k%s", folder, set, ending);
    file = fopen(path, "r");
    if (!file) {
        perror(path);
        exit(2);
    }
    return file;
}

/* A row of the truth: the line's number, its template, and where its content begins, parted by tabs. */
static void read_row(char *row, struct line *line)
{
    char *save, *end, *template, *from;

    strtok_r(row, "\t", &save);
    template = strtok_r(NULL, "\t", &save);
    from = strtok_r(NULL, "\t\n", &save);
    if (!template || !from || strlen(template) >= sizeof line->truth)
        exit(2);
    memcpy(line->truth, template, strlen(template) + 1);
    line->content_at = strtoul(from, &end, 10);
    if (*end != '\0' || line->content_at > line->len)
        exit(2);
}

static void load(const char *folder, const char *set)
{
    FILE *log = open_file(folder, set, ".log"), *truth = open_file(folder, set, ".truth.tsv");
    char row[256];

    count = 0;
    if (!fgets(row, sizeof row, truth))
        exit(2);
    while (count < LINES_MAX && fgets(lines[count].text, sizeof lines[count].text, log) &&
           fgets(row, sizeof row, truth)) {
        struct line *line = &lines[count++];

        line->len = strcspn(line->text, "\r\n");
        read_row(row, line);
    }
    fclose(log);
    fclose(truth);
}

static void show(const struct line *line, size_t right, size_t got, size_t from)
{
    char template[256];
    size_t len = lb_pattern_template(line->text + from, line->len - from, template, sizeof template);

    printf("  %s: %zu lines, of a group of %zu, in a true one of %zu: %.*s\n", line->truth, right, got, right,
           (int)len, template);
}

/* Is the group of line i exactly its true one? */
static bool is_right(size_t i, size_t *ret_true, size_t *ret_got)
{
    bool is_same = true;

    *ret_true = *ret_got = 0;
    for (size_t j = 0; j < count; j++) {
        bool is_true = strcmp(lines[i].truth, lines[j].truth) == 0, is_got = lines[i].id == lines[j].id;

        *ret_true += is_true;
        *ret_got += is_got;
        is_same &= is_true == is_got;
    }
    return is_same;
}

static double accuracy(bool is_content, bool is_verbose)
{
    size_t right = 0, in_true, in_got;

    for (size_t i = 0; i < count; i++) {
        size_t from = is_content ? lines[i].content_at : 0;

        lines[i].id = lb_pattern_id(lines[i].text + from, lines[i].len - from);
    }
    for (size_t i = 0; i < count; i++) {
        bool is_good = is_right(i, &in_true, &in_got), is_first = true;

        right += is_good;
        for (size_t j = 0; j < i && is_first; j++)
            is_first = lines[i].id != lines[j].id;
        if (is_verbose && !is_good && is_first)
            show(&lines[i], in_true, in_got, is_content ? lines[i].content_at : 0);
    }
    return (double)right / (double)count;
}

/* The figures' file as a text, from behind the key of the list. Stays allocated. */
static char *read_figures(const char *folder)
{
    static char text[FIGURES_BYTES];
    char path[4096], *list;
    FILE *file;

    snprintf(path, sizeof path, "%s/DRAIN-GA.json", folder);
    file = fopen(path, "r");
    if (!file) {
        perror(path);
        exit(2);
    }
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    list = strstr(text, "\"drain_2k\": {");
    if (!list)
        exit(2);
    return strchr(list, '{') + 1;
}

/* The next set of the list and its figure; false: the list is over. */
static bool next_set(char **at, const char **ret_name, double *ret_drain)
{
    char *name = *at + strspn(*at, " \n,"), *end;

    if (*name != '"' || !(end = strchr(name + 1, '"')) || end[1] != ':')
        return false;
    *end = '\0';
    *ret_name = name + 1;
    *ret_drain = strtod(end + 2, at);
    return true;
}

static bool has_set(const char *folder, const char *set)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/%s_2k.truth.tsv", folder, set);
    return access(path, R_OK) == 0;
}

int main(int argc, char **argv)
{
    const char *verbose = argc == 4 ? argv[3] : "", *name;
    double drain, content, whole, content_sum = 0, whole_sum = 0;
    unsigned sets = 0;
    bool is_good = true;
    char *list;

    if (argc != 2 && argc != 4)
        return 2;
    list = read_figures(argv[1]);
    printf("%-12s %8s %8s %8s\n", "set", "content", "whole", "Drain");
    while (next_set(&list, &name, &drain)) {
        if (!has_set(argv[1], name))
            continue;
        load(argv[1], name);
        whole = accuracy(false, strcmp(verbose, name) == 0);
        content = accuracy(true, strcmp(verbose, name) == 0);
        printf("%-12s %8.4f %8.4f %8.4f\n", name, content, whole, drain);
        is_good &= content >= drain - BELOW_MAX && whole >= drain - BELOW_MAX;
        content_sum += content;
        whole_sum += whole;
        sets++;
    }
    if (sets == 0)
        return 2;
    printf("%-12s %8.4f %8.4f\n", "mean", content_sum / sets, whole_sum / sets);
    return is_good && content_sum / sets >= MEAN_MIN && whole_sum / sets >= MEAN_MIN ? 0 : 1;
}
