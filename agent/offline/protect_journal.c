/* SPDX-License-Identifier: MIT */
/*
 * Is the journal kept on flash? In: journald.conf and its drop-ins, /var/log/journal. Out: a finding, and a
 * drop-in that keeps it in RAM. Always true: the journal that is on the disk stays there; what is counted is
 * what its own files say in their headers.
 */
#include "agent/offline/protect_find.h"

#include <endian.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/units.h"

#define JOURNAL      "/var/log/journal"
#define RANK_JOURNAL 100
#define DAY_S        86400
#define SHORTEST_S   600 /* over less nothing is said of a day */

/* The header of a journal file (systemd's JOURNAL_FILE_FORMAT): le64 at these offsets. */
#define SIGNATURE     "LPKSHHRH"
#define AT_ENTRIES    152
#define AT_FIRST_US   184
#define AT_LAST_US    192
#define HEADER_BYTES  200
#define ENTRIES_LIMIT (1ull << 40) /* what a header says beyond that is not believed */

struct journal {
    const struct lb_protect_look *look;
    uint64_t files, bytes, entries, first_s, last_s;
};

static uint64_t number_at(const unsigned char *header, size_t at)
{
    uint64_t number;

    memcpy(&number, header + at, sizeof number);
    return le64toh(number);
}

static void count_file(void *arg, const char *path, const struct stat *st)
{
    struct journal *journal = arg;
    unsigned char header[HEADER_BYTES];
    uint64_t entries, first_s, last_s;
    int fd;

    journal->files++;
    journal->bytes += lb_protect_allocated(st);
    fd = lb_protect_open(journal->look->tree, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0)
        return;
    if (read(fd, header, sizeof header) != (ssize_t)sizeof header || memcmp(header, SIGNATURE, 8) != 0) {
        close(fd);
        return;
    }
    close(fd);
    entries = number_at(header, AT_ENTRIES);
    first_s = number_at(header, AT_FIRST_US) / 1000000;
    last_s = number_at(header, AT_LAST_US) / 1000000;
    /* A clock that was not set yet makes a span of years: such a file is not counted. */
    if (entries == 0 || entries > ENTRIES_LIMIT || first_s == 0 || last_s < first_s ||
        last_s > journal->look->now_s + DAY_S || last_s - first_s > 400ull * DAY_S)
        return;
    journal->entries += entries;
    if (journal->first_s == 0 || first_s < journal->first_s)
        journal->first_s = first_s;
    if (last_s > journal->last_s)
        journal->last_s = last_s;
}

static void say_measured(const struct lb_protect_look *look, struct lb_protect_finding *finding)
{
    struct journal journal = { .look = look };
    char size[32];

    lb_protect_walk(look, JOURNAL, count_file, &journal);
    if (journal.files == 0)
        return;
    LB_PROTECT_SAY_MORE(finding->known, "; it holds %s",
                        lb_units_print_human(journal.bytes, size, sizeof size));
    if (journal.last_s > journal.first_s + SHORTEST_S)
        LB_PROTECT_SAY_MORE(finding->known, ", %" PRIu64 " entries a day over the last %" PRIu64 " h",
                            journal.entries * DAY_S / (journal.last_s - journal.first_s),
                            (journal.last_s - journal.first_s) / 3600);
}

/* Does a drop-in of somebody else's come behind ours? */
static bool is_behind_ours(const struct lb_protect_setting *setting)
{
    const char *name = strrchr(setting->file, '/');

    return setting->is_set && name && strstr(setting->file, ".conf.d/") &&
           strcmp(name + 1, LB_PROTECT_DROP_IN) > 0;
}

static void say_action(const struct lb_protect_look *look, struct lb_protect_finding *finding,
                       const struct lb_protect_setting *storage, bool has_limit)
{
    const char *path = lb_protect_paths[LB_PROTECT_JOURNALD];

    if (is_behind_ours(storage))
        LB_PROTECT_SAY(finding->action, "%s comes behind %s and wins: take Storage= out of it", storage->file,
                       LB_PROTECT_DROP_IN);
    else if (finding->state == LB_PROTECT_BLOCKED)
        LB_PROTECT_SAY(finding->action, "%s is not as protect wrote it: it is left as it is", path);
    else
        LB_PROTECT_SAY(finding->action,
                       "Storage=volatile%s in %s: the journal ends with a reboot, so have logboom ship it",
                       has_limit ? "" : ", RuntimeMaxUse=16M", path);
    if (lb_protect_exists(look->tree, JOURNAL))
        LB_PROTECT_SAY_MORE(finding->action, ". What is in " JOURNAL " stays; by hand: journalctl --rotate "
                                             "--vacuum-time=1s before, or rm -r " JOURNAL "/* after");
}

void lb_protect_find_journal(struct lb_protect_look *look)
{
    struct lb_protect_setting setting[] = { { .section = "Journal", .key = "Storage" },
                                            { .section = "Journal", .key = "RuntimeMaxUse" },
                                            { 0 } };
    const struct lb_protect_setting *storage = &setting[0];
    bool is_persistent, is_auto, has_limit;
    struct lb_protect_finding *finding;
    enum lb_protect_state state;
    char text[512], path[PATH_MAX];

    look->plan->unreadable += lb_protect_conf_read(look->tree, LB_PROTECT_SYSTEMD, "journald.conf",
                                                   LB_PROTECT_DROP_IN, lb_protect_conf_take, setting);
    is_persistent = storage->is_set && strcmp(storage->value, "persistent") == 0;
    is_auto = !storage->is_set || strcmp(storage->value, "auto") == 0;
    has_limit = setting[1].is_set;
    if (!lb_protect_conf_find(look->tree, "systemd/system/systemd-journald.service", path) ||
        !(is_persistent || (is_auto && lb_protect_exists(look->tree, JOURNAL))) ||
        !lb_protect_is_on_flash(look, JOURNAL))
        return;
    snprintf(text, sizeof text,
             "# Written by `logboom protect --apply`; `logboom protect --undo` takes it back.\n"
             "[Journal]\nStorage=volatile\n%s",
             has_limit ? "" : "RuntimeMaxUse=16M\n");
    state = is_behind_ours(storage)
                ? LB_PROTECT_BLOCKED
                : lb_protect_want(look, LB_PROTECT_JOURNALD, text, LB_PROTECT_PENDING_JOURNALD);
    finding = lb_protect_add(look->plan, "journald", RANK_JOURNAL, state);
    LB_PROTECT_SAY(finding->title, "The journal is kept on flash");
    if (storage->is_set)
        LB_PROTECT_SAY(finding->known, "Storage=%s in %s%s", storage->value, storage->file,
                       is_auto ? ", and " JOURNAL " is there" : "");
    else
        LB_PROTECT_SAY(finding->known, "Storage=auto by default, and " JOURNAL " is there");
    say_measured(look, finding);
    LB_PROTECT_SAY(finding->cost,
                   "typically 1.4 GB a day at one line a second, 8.6 GB at a hundred (measured elsewhere: "
                   "systemd 252 on ext4)");
    say_action(look, finding, storage, has_limit);
}
