/* SPDX-License-Identifier: MIT */
/*
 * Log files on flash. In: rsyslog's settings, log2ram's, /var/log. Out: findings, all of them by hand. Always
 * true: rsyslog is not changed. A drop-in of ours in /etc/rsyslog.d would be read before its files are
 * written, but all that it can do there is to throw messages away, also those that a line below sends to
 * another machine; and fail2ban and its like read these files.
 */
#include "agent/offline/protect_find.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/units.h"

#define LOGS           "/var/log"
#define RANK_RSYSLOG   90
#define RANK_LOGS      55
#define RANK_LOG2RAM   35
#define DAY_S          86400
#define SHOWN          5
#define SMALLEST_BYTES (64 * 1024) /* of a file that is worth a word */

/* ---- rsyslog ---- */

/* Lines that name a file below /var/log, and are no comments. */
static unsigned count_actions(const char *text)
{
    unsigned count = 0;

    while (*text) {
        size_t len = strcspn(text, "\n"), blanks = strspn(text, " \t");
        const char *found = text[blanks] == '#' ? NULL : memmem(text, len, LOGS "/", strlen(LOGS "/"));

        count += found != NULL;
        text += len + (text[len] == '\n');
    }
    return count;
}

static unsigned count_in(struct lb_protect_look *look, const char *path)
{
    char *text = malloc(LB_PROTECT_FILE_MOST);
    size_t len;
    int rc = text ? lb_protect_read(look->tree, path, text, LB_PROTECT_FILE_MOST, &len) : -1;
    unsigned count = rc == 0 ? count_actions(text) : 0;

    if (rc != 0)
        look->plan->unreadable++;
    free(text);
    return count;
}

static unsigned count_all(struct lb_protect_look *look)
{
    static const char dir[] = "/etc/rsyslog.d";
    unsigned count = count_in(look, "/etc/rsyslog.conf");
    char **names, path[PATH_MAX];
    size_t found;

    if (lb_protect_list(look->tree, dir, 256, &names, &found) != 0)
        return count;
    for (size_t i = 0; i < found; i++)
        if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, names[i]) < sizeof path)
            count += count_in(look, path);
    lb_protect_names_free(names, found);
    return count;
}

/* What Debian's rsyslog.conf writes. */
static void say_files(const struct lb_protect_look *look, struct lb_protect_finding *finding)
{
    static const char *const names[] = { "syslog",   "messages", "auth.log", "kern.log", "daemon.log",
                                         "cron.log", "user.log", "mail.log", "debug" };
    char path[64], size[32], age[LB_PROTECT_AGE];
    uint64_t bytes = 0;
    int64_t last_s = 0;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct stat st;

        snprintf(path, sizeof path, LOGS "/%s", names[i]);
        if (lb_protect_stat(look->tree, path, false, &st) != 0)
            continue;
        bytes += lb_protect_allocated(&st);
        if (st.st_mtime > last_s)
            last_s = st.st_mtime;
    }
    if (bytes > 0)
        LB_PROTECT_SAY_MORE(finding->known, "; its usual files hold %s",
                            lb_units_print_human(bytes, size, sizeof size));
    if (bytes > 0 && look->is_live)
        LB_PROTECT_SAY_MORE(finding->known, ", the last was written %s",
                            lb_protect_age(look->now_s, last_s, age));
}

static void find_rsyslog(struct lb_protect_look *look)
{
    struct lb_protect_finding *finding;
    unsigned actions;

    if (!lb_protect_is_enabled(look, "multi-user.target", "rsyslog.service") ||
        !lb_protect_is_on_flash(look, LOGS) || (actions = count_all(look)) == 0)
        return;
    finding = lb_protect_add(look->plan, "rsyslog", RANK_RSYSLOG, LB_PROTECT_BY_HAND);
    LB_PROTECT_SAY(finding->title, "rsyslog writes each message to files on flash");
    LB_PROTECT_SAY(finding->known,
                   "rsyslog.service is enabled, and %u line%s of its settings name%s a file in " LOGS,
                   actions, actions == 1 ? "" : "s", actions == 1 ? "s" : "");
    say_files(look, finding);
    LB_PROTECT_SAY(finding->cost,
                   "typically 0.3 GB a day at one line a second, 1.6 GB at a hundred, and as much again by "
                   "logrotate (measured elsewhere: plain appends on ext4)");
    LB_PROTECT_SAY(finding->action,
                   "let logboom take the messages (logboom-syslog.socket), then: systemctl disable --now "
                   "rsyslog.service syslog.socket. No drop-in can do that safely");
}

/* ---- log2ram ---- */

static void find_log2ram(struct lb_protect_look *look)
{
    struct lb_protect_finding *finding;

    if (!lb_protect_exists(look->tree, "/etc/log2ram.conf"))
        return;
    finding = lb_protect_add(look->plan, "log2ram", RANK_LOG2RAM, LB_PROTECT_BY_HAND);
    LB_PROTECT_SAY(finding->title, "log2ram copies " LOGS " to flash, daily and at each stop");
    LB_PROTECT_SAY(finding->known, "/etc/log2ram.conf is there");
    LB_PROTECT_SAY(finding->action,
                   "what logboom ships needs no copy: keep " LOGS " small, or remove log2ram once nothing "
                   "writes there");
}

/* ---- what else grows ---- */

struct growing {
    const struct lb_protect_look *look;
    struct file {
        char path[PATH_MAX];
        uint64_t bytes;
        int64_t at_s;
    } file[SHOWN]; /* the largest first */
    size_t count, all;
    uint64_t bytes;
};

static void take_file(void *arg, const char *path, const struct stat *st)
{
    struct growing *growing = arg;
    uint64_t bytes = lb_protect_allocated(st);
    size_t at;

    if (strncmp(path, LOGS "/journal/", strlen(LOGS "/journal/")) == 0 || bytes < SMALLEST_BYTES ||
        st->st_mtime + DAY_S < (int64_t)growing->look->now_s)
        return;
    growing->all++;
    growing->bytes += bytes;
    for (at = growing->count; at > 0 && growing->file[at - 1].bytes < bytes; at--)
        if (at < SHOWN)
            growing->file[at] = growing->file[at - 1];
    if (at == SHOWN)
        return;
    snprintf(growing->file[at].path, sizeof growing->file[at].path, "%s", path);
    growing->file[at].bytes = bytes;
    growing->file[at].at_s = st->st_mtime;
    if (growing->count < SHOWN)
        growing->count++;
}

/* Of a machine only: the files of an image have the times of its making. */
static void find_growing(struct lb_protect_look *look)
{
    struct growing *growing;
    struct lb_protect_finding *finding;
    char size[32], age[LB_PROTECT_AGE];

    if (!look->is_live || !lb_protect_is_on_flash(look, LOGS) || !(growing = calloc(1, sizeof *growing)))
        return;
    growing->look = look;
    lb_protect_walk(look, LOGS, take_file, growing);
    if (growing->count > 0) {
        finding = lb_protect_add(look->plan, "files", RANK_LOGS, LB_PROTECT_BY_HAND);
        LB_PROTECT_SAY(finding->title, "Programs write log files of their own on flash");
        LB_PROTECT_SAY(finding->known, "%zu of 64 KiB or more written within a day, %s in all:", growing->all,
                       lb_units_print_human(growing->bytes, size, sizeof size));
        for (size_t i = 0; i < growing->count; i++)
            LB_PROTECT_SAY_MORE(finding->known, "%s %.80s (%s, %s)", i > 0 ? "," : "", growing->file[i].path,
                                lb_units_print_human(growing->file[i].bytes, size, sizeof size),
                                lb_protect_age(look->now_s, growing->file[i].at_s, age));
        LB_PROTECT_SAY(finding->action,
                       "let them log to standard output, and start them by `logboom run`; what cannot: "
                       "lower its level");
    }
    free(growing);
}

void lb_protect_find_logs(struct lb_protect_look *look)
{
    find_rsyslog(look);
    find_log2ram(look);
    find_growing(look);
}
