/* SPDX-License-Identifier: MIT */
/*
 * The kernel on disks that fail. In: its log. Out: errors by disk, and the last of them in its words. Always
 * true: a line is counted once, by its stamp; a line that names no watched disk is nobody's.
 */
#include "agent/wear/kernel_log.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/klog.h>

#define READ_ALL     3 /* SYSLOG_ACTION_READ_ALL of syslog(2), which no header names */
#define US_PER_S     1000000u
#define LINE_MAX_LEN 512 /* of a line; the kernel's are shorter */

/* ---- who is meant ---- */

/* Is a name that of a disk, or of a part of it: "sda", "sda1"; "mmcblk0", "mmcblk0p2"? */
static bool is_on(const char *name, size_t len, const char *disk)
{
    size_t own = strlen(disk), at = own;

    if (own == 0 || len < own || memcmp(name, disk, own) != 0)
        return false;
    if (len == own)
        return true;
    if (isdigit((unsigned char)disk[own - 1]) && name[at++] != 'p')
        return false;
    while (at < len && isdigit((unsigned char)name[at]))
        at++;
    return at == len && isdigit((unsigned char)name[len - 1]);
}

static int disk_of(const struct lb_disks *disks, const char *name, size_t len)
{
    for (uint32_t i = 0; i < disks->count; i++)
        if (disks->disk[i].is_present && is_on(name, len, disks->disk[i].name))
            return (int)i;
    return -1;
}

static size_t word_len(const char *at)
{
    return strcspn(at, " ,:()\t\"'");
}

/* The word behind a phrase; "": the phrase is not there. */
static const char *behind(const char *line, const char *phrase)
{
    const char *at = strstr(line, phrase);

    return at ? at + strlen(phrase) : "";
}

/* "mmc0: Timeout waiting for hardware interrupt": the host, whose card is the disk of that number as a rule.
 */
static int disk_of_host(const struct lb_disks *disks, const char *line)
{
    static const char *const signs[] = { "imeout", "timed out", "rror", "stuck" };
    char name[LB_WEAR_NAME];
    unsigned host;
    int end = 0;

    // NOLINTNEXTLINE(cert-err34-c): the kernel's own text
    if (sscanf(line, "mmc%u:%n", &host, &end) != 1 || end == 0)
        return -1;
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++)
        if (strstr(line + end, signs[i]))
            return disk_of(disks, name, (size_t)snprintf(name, sizeof name, "mmcblk%u", host));
    return -1;
}

static int failed_disk(const struct lb_disks *disks, const char *line)
{
    static const char *const phrases[] = {
        "I/O error, dev ",    /* the block layer, all versions */
        "medium error, dev ", /* SCSI's words for it */
        "target error, dev ",
        "timeout error, dev ",
        "Buffer I/O error on dev ", /* the page cache */
        "Buffer I/O error on device ",
        "-fs error (device ", /* ext4, and others after it */
        "lost async page write, dev ",
    };
    size_t len = word_len(line);
    int disk;

    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
        const char *name = behind(line, phrases[i]);

        disk = disk_of(disks, name, word_len(name));
        if (*name && disk >= 0)
            return disk;
    }
    /* "mmcblk0: error -110 transferring data", "mmcblk0: recovery failed!" */
    if (line[len] == ':' && (strstr(line + len, " error ") || strstr(line + len, "recovery failed"))) {
        disk = disk_of(disks, line, len);
        if (disk >= 0)
            return disk;
    }
    return disk_of_host(disks, line);
}

/* ---- lines ---- */

/* "<3>[   12.345678] ": its length and the time; 0: it has none. */
static size_t read_stamp(const char *line, uint64_t *ret_us)
{
    unsigned long long seconds, us;
    int end = 0;

    if (*line == '<')
        line += strcspn(line, ">") + 1;
    // NOLINTNEXTLINE(cert-err34-c): what is no number is no stamp
    if (sscanf(line, "[%llu.%6llu]%n", &seconds, &us, &end) != 2 || end == 0)
        return 0;
    *ret_us = seconds * US_PER_S + us;
    return (size_t)end;
}

static void note(struct lb_kernel_log *log, const char *line, const struct lb_disks *disks)
{
    int disk = failed_disk(disks, line);
    char *to;

    if (disk < 0)
        return;
    log->count[disk]++;
    to = log->last[disk];
    snprintf(to, sizeof log->last[disk], "%s", line);
    for (; *to; to++)
        *to = (unsigned char)*to < ' ' ? ' ' : *to;
}

static void take_line(struct lb_kernel_log *log, const char *text, size_t len, const struct lb_disks *disks,
                      uint64_t *newest_us)
{
    char line[LINE_MAX_LEN];
    const char *front;
    uint64_t at_us;
    size_t stamp;

    len = len < sizeof line ? len : sizeof line - 1;
    memcpy(line, text, len);
    line[len] = '\0';
    stamp = read_stamp(line, &at_us);
    if (stamp == 0 || at_us <= log->seen_us)
        return;
    *newest_us = at_us > *newest_us ? at_us : *newest_us;
    front = line + (line[0] == '<' ? strcspn(line, ">") + 1 : 0) + stamp;
    note(log, front + strspn(front, " "), disks);
}

void lb_kernel_log_take(struct lb_kernel_log *log, const char *text, size_t len, struct lb_disks *disks)
{
    uint64_t newest_us = log->seen_us;

    for (uint32_t i = 0; i < disks->count; i++) {
        if (log->medium[i] != disks->disk[i].medium) { /* another card's errors are not this one's */
            log->count[i] = 0;
            log->last[i][0] = '\0';
        }
        log->medium[i] = disks->disk[i].medium;
    }
    while (len > 0) {
        const char *end = memchr(text, '\n', len);
        size_t line = end ? (size_t)(end - text) : len;

        take_line(log, text, line, disks, &newest_us);
        line += end != NULL;
        text += line;
        len -= line;
    }
    log->seen_us = newest_us;
    for (uint32_t i = 0; i < disks->count; i++) {
        disks->disk[i].io_errors = log->count[i];
        memcpy(disks->disk[i].io_error, log->last[i], sizeof disks->disk[i].io_error);
    }
}

void lb_kernel_log_look(struct lb_kernel_log *log, struct lb_disks *disks)
{
    int got = klogctl(READ_ALL, log->text, sizeof log->text);

    log->error = got < 0 ? -errno : 0;
    lb_kernel_log_take(log, log->text, got > 0 ? (size_t)got : 0, disks);
}
