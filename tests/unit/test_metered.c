/* SPDX-License-Identifier: MIT */
/* Is the link metered? From a tree of what the kernel shows of routes and interfaces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "agent/ship/metered.h"

static char root[64];

static void put(const char *path, const char *text)
{
    char whole[256], *slash = whole;
    FILE *file;

    snprintf(whole, sizeof whole, "%s%s", root, path);
    while ((slash = strchr(slash + 1, '/'))) {
        *slash = '\0';
        mkdir(whole, 0755);
        *slash = '/';
    }
    file = fopen(whole, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int begin(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/metered.XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int end(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", root);
    return system(command);
}

#define HEAD "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
#define ETH  "eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
#define WWAN "wwp0s20u4\t00000000\t00000000\t0001\t0\t0\t700\t00000000\t0\t0\t0\n"
#define LAN  "eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"

static void a_cable_is_not_metered(void **state)
{
    (void)state;
    put("/proc/net/route", HEAD ETH LAN);
    put("/sys/class/net/eth0/uevent", "INTERFACE=eth0\nIFINDEX=2\n");
    assert_false(lb_metered_look(LB_METERED_AUTO, root));
}

static void a_modem_is_by_what_the_kernel_calls_it(void **state)
{
    (void)state;
    put("/proc/net/route", HEAD WWAN LAN);
    put("/sys/class/net/wwp0s20u4/uevent", "DEVTYPE=wwan\nINTERFACE=wwp0s20u4\nIFINDEX=3\n");
    assert_true(lb_metered_look(LB_METERED_AUTO, root));
}

static void a_dialled_line_is_by_its_name(void **state)
{
    (void)state;
    put("/proc/net/route", HEAD "ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n");
    assert_true(lb_metered_look(LB_METERED_AUTO, root));
}

static void the_route_with_the_least_metric_counts(void **state)
{
    (void)state;
    put("/proc/net/route", HEAD WWAN ETH LAN);
    put("/sys/class/net/wwp0s20u4/uevent", "DEVTYPE=wwan\n");
    put("/sys/class/net/eth0/uevent", "INTERFACE=eth0\n");
    assert_false(lb_metered_look(LB_METERED_AUTO, root));
}

static void without_a_default_route_of_ipv4_that_of_ipv6_counts(void **state)
{
    static const char zeros[] = "00000000000000000000000000000000";
    char table[1024];

    (void)state;
    snprintf(table, sizeof table,
             "%s 00 %s 00 %s ffffffff 00000001 00000000 00200200       lo\n"
             "fe800000000000000000000000000000 40 %s 00 %s 00000100 00000001 00000000 00000001     eth0\n"
             "%s 00 %s 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003    wwan0\n",
             zeros, zeros, zeros, zeros, zeros, zeros, zeros);
    put("/proc/net/route", HEAD LAN);
    put("/proc/net/ipv6_route", table);
    assert_true(lb_metered_look(LB_METERED_AUTO, root));
}

static void no_route_and_no_tables_are_not_metered(void **state)
{
    (void)state;
    assert_false(lb_metered_look(LB_METERED_AUTO, root));
    put("/proc/net/route", HEAD LAN);
    assert_false(lb_metered_look(LB_METERED_AUTO, root));
    put("/proc/net/route", "nonsense\n\nppp0 zz\n");
    assert_false(lb_metered_look(LB_METERED_AUTO, root));
}

static void what_is_set_is_the_answer(void **state)
{
    (void)state;
    put("/proc/net/route", HEAD ETH);
    assert_true(lb_metered_look(LB_METERED_YES, root));
    put("/proc/net/route", HEAD "ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n");
    assert_false(lb_metered_look(LB_METERED_NO, root));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_cable_is_not_metered, begin, end),
        cmocka_unit_test_setup_teardown(a_modem_is_by_what_the_kernel_calls_it, begin, end),
        cmocka_unit_test_setup_teardown(a_dialled_line_is_by_its_name, begin, end),
        cmocka_unit_test_setup_teardown(the_route_with_the_least_metric_counts, begin, end),
        cmocka_unit_test_setup_teardown(without_a_default_route_of_ipv4_that_of_ipv6_counts, begin, end),
        cmocka_unit_test_setup_teardown(no_route_and_no_tables_are_not_metered, begin, end),
        cmocka_unit_test_setup_teardown(what_is_set_is_the_answer, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
