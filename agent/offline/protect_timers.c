/* SPDX-License-Identifier: MIT */
/*
 * What writes by the clock. In: units, their settings, stamps of their last runs. Out: findings, and a
 * drop-in that makes timesyncd keep the time once an hour. Always true: no timer is switched off, since apt's
 * bring security updates and the others are a person's choice.
 *
 * Not told of: fstrim (it is kind to flash), systemd-tmpfiles-clean (next to nothing), systemd-pstore (writes
 * once after a crash, and that is worth it).
 */
#include "agent/offline/protect_find.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/units.h"

#define RANK_TIMESYNCD 40
#define RANK_HWCLOCK   20
#define RANK_TIMERS    10
#define CLOCK_DIR      "/var/lib/systemd/timesync"
#define HAS_INTERVAL   250 /* the first systemd with SaveIntervalSec= */

/* ---- timesyncd ---- */

static unsigned version_in(const struct lb_protect_look *look, const char *dir)
{
    static const char start[] = "libsystemd-shared-";
    unsigned version = 0;
    char **names;
    size_t count;

    if (lb_protect_list(look->tree, dir, 4096, &names, &count) != 0)
        return 0;
    for (size_t i = 0; i < count; i++)
        if (strncmp(names[i], start, strlen(start)) == 0)
            version = (unsigned)strtoul(names[i] + strlen(start), NULL, 10);
    lb_protect_names_free(names, count);
    return version;
}

/* By the name of the library that all of systemd shares, which holds for an image, too. 0: it is not known.
 */
static unsigned systemd_version(const struct lb_protect_look *look)
{
    unsigned version = version_in(look, "/usr/lib/systemd");
    char **names, path[PATH_MAX];
    size_t count;

    if (version == 0)
        version = version_in(look, "/lib/systemd");
    if (version > 0 || lb_protect_list(look->tree, "/usr/lib", 4096, &names, &count) != 0)
        return version;
    for (size_t i = 0; i < count && version == 0; i++)
        if (strstr(names[i], "-linux-") &&
            (size_t)snprintf(path, sizeof path, "/usr/lib/%s/systemd", names[i]) < sizeof path)
            version = version_in(look, path);
    lb_protect_names_free(names, count);
    return version;
}

void lb_protect_find_timesyncd(struct lb_protect_look *look)
{
    struct lb_protect_setting setting[] = { { .section = "Time", .key = "SaveIntervalSec" }, { 0 } };
    unsigned version = systemd_version(look);
    struct lb_protect_finding *finding;
    enum lb_protect_state state = LB_PROTECT_BY_HAND;
    char age[LB_PROTECT_AGE];
    struct stat st;

    if (!lb_protect_is_enabled(look, "sysinit.target", "systemd-timesyncd.service") ||
        !lb_protect_is_on_flash(look, CLOCK_DIR))
        return;
    look->plan->unreadable += lb_protect_conf_read(look->tree, LB_PROTECT_SYSTEMD, "timesyncd.conf",
                                                   LB_PROTECT_DROP_IN, lb_protect_conf_take, setting);
    if (setting[0].is_set) /* somebody has thought of it */
        return;
    if (version >= HAS_INTERVAL)
        state = lb_protect_want(
            look, LB_PROTECT_TIMESYNCD,
            "# Written by `logboom protect --apply`; `logboom protect --undo` takes it back.\n"
            "[Time]\nSaveIntervalSec=1h\n",
            LB_PROTECT_PENDING_TIMESYNCD);
    finding = lb_protect_add(look->plan, "timesyncd", RANK_TIMESYNCD, state);
    LB_PROTECT_SAY(finding->title, "timesyncd touches its clock file each minute");
    LB_PROTECT_SAY(finding->known, "SaveIntervalSec=60 by default, systemd %u", version);
    if (look->is_live && lb_protect_stat(look->tree, CLOCK_DIR "/clock", false, &st) == 0)
        LB_PROTECT_SAY_MORE(finding->known, "; last touched %s",
                            lb_protect_age(look->now_s, st.st_mtime, age));
    LB_PROTECT_SAY(finding->cost,
                   "1440 updates of an inode a day, each with a commit of the file system's journal");
    if (state == LB_PROTECT_BLOCKED)
        LB_PROTECT_SAY(finding->action, "%s is not as protect wrote it: it is left as it is",
                       lb_protect_paths[LB_PROTECT_TIMESYNCD]);
    else if (state == LB_PROTECT_BY_HAND)
        LB_PROTECT_SAY(finding->action, "none with this systemd: SaveIntervalSec= came with 250");
    else
        LB_PROTECT_SAY(finding->action,
                       "SaveIntervalSec=1h in %s (after a power cut a machine without a clock then starts up "
                       "to an hour behind)",
                       lb_protect_paths[LB_PROTECT_TIMESYNCD]);
}

/* ---- fake-hwclock ---- */

static void find_fake_hwclock(struct lb_protect_look *look)
{
    bool has_timer = lb_protect_is_enabled(look, "timers.target", "fake-hwclock-save.timer");
    struct lb_protect_finding *finding;
    char age[LB_PROTECT_AGE];
    struct stat st;
    bool has_cron = lb_protect_stat(look->tree, "/etc/cron.hourly/fake-hwclock", false, &st) == 0 &&
                    (st.st_mode & 0111) != 0;

    if ((!has_timer && !has_cron) || !lb_protect_is_on_flash(look, "/etc"))
        return;
    finding = lb_protect_add(look->plan, "fake-hwclock", RANK_HWCLOCK, LB_PROTECT_BY_HAND);
    LB_PROTECT_SAY(finding->title, "fake-hwclock writes the time each hour");
    LB_PROTECT_SAY(finding->known, "%s",
                   has_timer ? "fake-hwclock-save.timer is enabled"
                             : "/etc/cron.hourly/fake-hwclock is there");
    if (look->is_live && lb_protect_stat(look->tree, "/etc/fake-hwclock.data", false, &st) == 0)
        LB_PROTECT_SAY_MORE(finding->known, "; last written %s",
                            lb_protect_age(look->now_s, st.st_mtime, age));
    LB_PROTECT_SAY(finding->cost, "24 small files a day");
    LB_PROTECT_SAY(finding->action, "%s (it still writes at each stop)",
                   has_timer ? "systemctl disable --now fake-hwclock-save.timer"
                             : "chmod -x /etc/cron.hourly/fake-hwclock");
}

/* ---- timers ---- */

static void add_bytes(void *arg, const char *path, const struct stat *st)
{
    uint64_t *bytes = arg;

    (void)path;
    *bytes += lb_protect_allocated(st);
}

static void say_timer(const struct lb_protect_look *look, struct lb_protect_finding *finding,
                      const char *name, bool is_first)
{
    char path[PATH_MAX], age[LB_PROTECT_AGE], size[32];
    uint64_t bytes = 0;
    struct stat st;

    LB_PROTECT_SAY_MORE(finding->known, "%s%s", is_first ? "" : ", ", name);
    snprintf(path, sizeof path, "/var/lib/systemd/timers/stamp-%s", name);
    if (look->is_live && lb_protect_stat(look->tree, path, false, &st) == 0)
        LB_PROTECT_SAY_MORE(finding->known, " (last run %s)", lb_protect_age(look->now_s, st.st_mtime, age));
    if (strcmp(name, "apt-daily.timer") != 0)
        return;
    lb_protect_walk(look, "/var/lib/apt/lists", add_bytes, &bytes);
    if (bytes > 0)
        LB_PROTECT_SAY_MORE(finding->known, " (package lists of %s, fetched anew as they change)",
                            lb_units_print_human(bytes, size, sizeof size));
}

void lb_protect_find_timers(struct lb_protect_look *look)
{
    static const char *const names[] = { "apt-daily.timer",       "apt-daily-upgrade.timer",
                                         "man-db.timer",          "dpkg-db-backup.timer",
                                         "e2scrub_all.timer",     "logrotate.timer",
                                         "plocate-updatedb.timer" };
    struct lb_protect_finding *finding = NULL;

    find_fake_hwclock(look);
    if (!lb_protect_is_on_flash(look, "/var/lib"))
        return;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!lb_protect_is_enabled(look, "timers.target", names[i]))
            continue;
        if (finding) {
            say_timer(look, finding, names[i], false);
            continue;
        }
        finding = lb_protect_add(look->plan, "timers", RANK_TIMERS, LB_PROTECT_BY_HAND);
        LB_PROTECT_SAY(finding->title, "Timers write to flash");
        say_timer(look, finding, names[i], true);
        LB_PROTECT_SAY(
            finding->action,
            "systemctl disable --now what this machine does not need: man-db, plocate-updatedb, and "
            "logrotate where nothing logs to files; apt-daily* bring security updates");
    }
}
