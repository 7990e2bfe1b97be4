/* SPDX-License-Identifier: MIT */
/* Is the link metered? In: routes and what the kernel says of an interface. Out: yes or no. Always true: what
 * cannot be read counts as no. */
#include "agent/ship/metered.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 512
#define LINE_BYTES 512
#define FIELDS     11 /* of a route, that are looked at */

/* route flags of the kernel's tables (linux/route.h): up, and of IPv6 one that refuses */
#define ROUTE_UP     0x0001u
#define ROUTE_REJECT 0x0200u

struct best {
    char name[IF_NAMESIZE];
    unsigned long metric;
};

static void take(struct best *best, const char *name, unsigned long metric)
{
    if (strcmp(name, "lo") == 0 || (best->name[0] && metric >= best->metric))
        return;
    snprintf(best->name, sizeof best->name, "%s", name);
    best->metric = metric;
}

static FILE *open_below(const char *root, const char *path)
{
    char whole[PATH_BYTES];

    snprintf(whole, sizeof whole, "%s%s", root, path);
    return fopen(whole, "re");
}

/* The words of a line, in place. Returns how many there are, at most FIELDS. */
static unsigned split(char *line, char *field[FIELDS])
{
    unsigned count = 0;
    char *rest = NULL;

    for (char *word = strtok_r(line, " \t\n", &rest); word && count < FIELDS;
         word = strtok_r(NULL, " \t\n", &rest))
        field[count++] = word;
    return count;
}

static unsigned long hex(const char *text)
{
    return strtoul(text, NULL, 16);
}

/* Iface Destination Gateway Flags RefCnt Use Metric Mask ... */
static void read_ipv4(const char *root, struct best *best)
{
    FILE *file = open_below(root, "/proc/net/route");
    char line[LINE_BYTES], *field[FIELDS];

    while (file && fgets(line, sizeof line, file))
        if (split(line, field) > 7 && strcmp(field[1], "00000000") == 0 &&
            strcmp(field[7], "00000000") == 0 && (hex(field[3]) & ROUTE_UP))
            take(best, field[0], strtoul(field[6], NULL, 10));
    if (file)
        fclose(file);
}

/* to, its length, from, its length, next hop, metric, references, use, flags, interface: all of it in hex */
static void read_ipv6(const char *root, struct best *best)
{
    FILE *file = open_below(root, "/proc/net/ipv6_route");
    char line[LINE_BYTES], *field[FIELDS];

    while (file && fgets(line, sizeof line, file))
        if (split(line, field) > 9 && strspn(field[0], "0") == 32 && strcmp(field[1], "00") == 0 &&
            (hex(field[8]) & (ROUTE_UP | ROUTE_REJECT)) == ROUTE_UP)
            take(best, field[9], hex(field[5]));
    if (file)
        fclose(file);
}

static bool is_modem(const char *root, const char *name)
{
    char path[PATH_BYTES], line[LINE_BYTES];
    bool is_wwan = strncmp(name, "ppp", 3) == 0 || strncmp(name, "wwan", 4) == 0;
    FILE *file;

    snprintf(path, sizeof path, "/sys/class/net/%s/uevent", name);
    file = open_below(root, path);
    while (file && !is_wwan && fgets(line, sizeof line, file))
        is_wwan = strncmp(line, "DEVTYPE=wwan", 12) == 0;
    if (file)
        fclose(file);
    return is_wwan;
}

bool lb_metered_look(enum lb_metered setting, const char *root)
{
    struct best best = { "", 0 };

    if (setting != LB_METERED_AUTO)
        return setting == LB_METERED_YES;
    read_ipv4(root, &best);
    if (best.name[0] == '\0')
        read_ipv6(root, &best);
    return best.name[0] != '\0' && !strchr(best.name, '/') && is_modem(root, best.name);
}
