/* SPDX-License-Identifier: MIT */
/*
 * Services that log to files, and Docker. In: units with their drop-ins, daemon.json. Out: findings, with how
 * each comes to logboom. Always true: no unit is changed; of many units the first are told, the others
 * counted.
 */
#include "agent/offline/protect_find.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_scan.h"
#include "common/units.h"

#define RANK_DOCKER   85
#define RANK_SERVICE  80
#define SERVICES_MOST 16   /* that are told of */
#define UNITS_MOST    4096 /* that are looked at, of one directory */
#define CONTAINERS    "/var/lib/docker/containers"

/* ---- units ---- */

struct services {
    struct lb_protect_look *look;
    unsigned told, beyond;
};

/* The path of "append:/path" and its like, NULL: it does not log to a file. */
static const char *path_of(const char *value)
{
    static const char *const kinds[] = { "file:", "append:", "truncate:" };

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strncmp(value, kinds[i], strlen(kinds[i])) == 0 && value[strlen(kinds[i])] == '/')
            return value + strlen(kinds[i]);
    return NULL;
}

static void tell(struct services *services, const char *unit, const struct lb_protect_setting *setting,
                 const char *path)
{
    struct lb_protect_look *look = services->look;
    struct lb_protect_finding *finding;
    char size[32], age[LB_PROTECT_AGE];
    struct stat st;

    if (services->told == SERVICES_MOST) {
        services->beyond++;
        return;
    }
    services->told++;
    finding = lb_protect_add(look->plan, "service", RANK_SERVICE, LB_PROTECT_BY_HAND);
    LB_PROTECT_SAY(finding->title, "%.80s logs to a file on flash", unit);
    LB_PROTECT_SAY(finding->known, "%s=%.200s in %.200s", setting->key, setting->value, setting->file);
    if (lb_protect_stat(look->tree, path, false, &st) == 0) {
        LB_PROTECT_SAY_MORE(finding->known, "; %s",
                            lb_units_print_human(lb_protect_allocated(&st), size, sizeof size));
        if (look->is_live)
            LB_PROTECT_SAY_MORE(finding->known, ", last written %s",
                                lb_protect_age(look->now_s, st.st_mtime, age));
    }
    LB_PROTECT_SAY(
        finding->action,
        "systemctl edit %.80s: under [Service] %s=journal, and its command behind `logboom run --`", unit,
        setting->key);
}

static void look_at_unit(struct services *services, const char *unit)
{
    struct lb_protect_setting setting[] = { { .section = "Service", .key = "StandardOutput" },
                                            { .section = "Service", .key = "StandardError" },
                                            { 0 } };
    struct lb_protect_look *look = services->look;

    look->plan->unreadable +=
        lb_protect_conf_read(look->tree, LB_PROTECT_UNITS, unit, NULL, lb_protect_conf_take, setting);
    for (size_t i = 0; setting[i].key; i++) {
        const char *path = setting[i].is_set ? path_of(setting[i].value) : NULL;

        if (!path || !lb_protect_is_on_flash(look, path))
            continue;
        tell(services, unit, &setting[i], path);
        break; /* both most often name the same file */
    }
}

/* A unit by what stands in a directory of units: NAME.service, or NAME.service.d. false: it is none */
static bool unit_of(const char *entry, char unit[NAME_MAX + 1])
{
    static const char end[] = ".service";
    size_t len;

    snprintf(unit, NAME_MAX + 1, "%s", entry);
    len = strlen(unit);
    if (len > 2 && strcmp(unit + len - 2, ".d") == 0)
        unit[len -= 2] = '\0';
    return len > strlen(end) && strcmp(unit + len - strlen(end), end) == 0;
}

/* Was this unit met before: in an earlier directory, or as NAME.service beside NAME.service.d? */
static bool was_met(const struct lb_protect_look *look, const char *const *dirs, size_t dir,
                    const char *entry, const char *unit)
{
    bool is_drop_in = strcmp(entry, unit) != 0, is_met = false;
    char path[PATH_MAX];
    struct stat st;

    for (size_t i = 0; i <= dir && !is_met; i++) {
        if ((i < dir || is_drop_in) &&
            (size_t)snprintf(path, sizeof path, "%s/%s", dirs[i], unit) < sizeof path)
            is_met = lb_protect_stat(look->tree, path, true, &st) == 0;
        if (!is_met && i < dir && (size_t)snprintf(path, sizeof path, "%s/%s.d", dirs[i], unit) < sizeof path)
            is_met = lb_protect_exists(look->tree, path);
    }
    return is_met;
}

void lb_protect_find_services(struct lb_protect_look *look)
{
    static const char *const dirs[] = { "/etc/systemd/system", "/run/systemd/system",
                                        "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
                                        "/lib/systemd/system" };
    struct services services = { look, 0, 0 };
    char unit[NAME_MAX + 1];

    for (size_t dir = 0; dir < sizeof dirs / sizeof dirs[0]; dir++) {
        char **names;
        size_t count;

        if (lb_protect_list(look->tree, dirs[dir], UNITS_MOST, &names, &count) != 0)
            continue;
        for (size_t i = 0; i < count; i++)
            if (unit_of(names[i], unit) && !was_met(look, dirs, dir, names[i], unit))
                look_at_unit(&services, unit);
        lb_protect_names_free(names, count);
    }
    look->plan->left_out += services.beyond;
}

/* ---- Docker ---- */

/* What daemon.json says of the driver; "" nothing. false: it cannot be read */
static bool read_driver(const struct lb_protect_look *look, char driver[64])
{
    char *text = malloc(LB_PROTECT_FILE_MOST);
    struct lb_json_scan scan;
    struct lb_json_member member;
    size_t len;
    int rc = text ? lb_protect_read(look->tree, "/etc/docker/daemon.json", text, LB_PROTECT_FILE_MOST, &len)
                  : -ENOMEM;

    driver[0] = '\0';
    if (rc == 0 && lb_json_scan_begin(&scan, text, len))
        while (lb_json_scan_next(&scan, &member))
            if (member.kind == LB_JSON_STRING && member.key_len == strlen("log-driver") &&
                memcmp(member.key, "log-driver", member.key_len) == 0)
                snprintf(driver, 64, "%.*s", (int)(member.value_len < 63 ? member.value_len : 63),
                         member.value);
    free(text);
    return rc == 0 || rc == -ENOENT || rc == -ENOTDIR;
}

struct containers {
    uint64_t files, bytes;
    int64_t last_s;
};

static void count_log(void *arg, const char *path, const struct stat *st)
{
    struct containers *containers = arg;

    if (!strstr(path, "-json.log") && !strstr(path, "/local-logs/"))
        return;
    containers->files++;
    containers->bytes += lb_protect_allocated(st);
    if (st->st_mtime > containers->last_s)
        containers->last_s = st->st_mtime;
}

void lb_protect_find_docker(struct lb_protect_look *look)
{
    struct containers containers = { 0 };
    struct lb_protect_finding *finding;
    char driver[64], path[PATH_MAX], size[32], age[LB_PROTECT_AGE];

    if (!lb_protect_conf_find(look->tree, "systemd/system/docker.service", path) ||
        !lb_protect_is_on_flash(look, CONTAINERS))
        return;
    if (!read_driver(look, driver))
        look->plan->unreadable++;
    if (driver[0] && strcmp(driver, "json-file") != 0 && strcmp(driver, "local") != 0)
        return;
    finding = lb_protect_add(look->plan, "docker", RANK_DOCKER, LB_PROTECT_BY_HAND);
    LB_PROTECT_SAY(finding->title, "Docker writes what containers print to files on flash");
    LB_PROTECT_SAY(finding->known, "log-driver %s%s", driver[0] ? driver : "json-file",
                   driver[0] ? " in /etc/docker/daemon.json" : " by default");
    lb_protect_walk(look, CONTAINERS, count_log, &containers);
    if (containers.files > 0) {
        LB_PROTECT_SAY_MORE(finding->known, "; %" PRIu64 " file%s of %s", containers.files,
                            containers.files == 1 ? "" : "s",
                            lb_units_print_human(containers.bytes, size, sizeof size));
        if (look->is_live)
            LB_PROTECT_SAY_MORE(finding->known, ", last written %s",
                                lb_protect_age(look->now_s, containers.last_s, age));
    }
    LB_PROTECT_SAY(
        finding->action,
        "in /etc/docker/daemon.json: \"log-driver\": \"syslog\", \"log-opts\": {\"syslog-address\": "
        "\"unixgram:///run/logboom/syslog.sock\"}; then restart Docker and make containers anew");
}
