/* SPDX-License-Identifier: MIT */
/*
 * A path looked up below a directory, with and without the kernel's help.
 *
 * The story: an image of strangers, whose links point everywhere: up, out, to each other, to themselves.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/offline/protect_beneath.h"
#include "tests/unit/lib_protect.h"

static int image(void **state)
{
    if (protect_begin(state) != 0)
        return -1;
    board_put("/etc/a.conf", "in");
    protect_dir("/usr/lib");
    board_put("/usr/lib/b.conf", "in");
    protect_link("/lib", "usr/lib");
    protect_link("/etc/abs", "/usr/lib/b.conf");
    protect_link("/etc/up", "../../../../etc/a.conf");
    protect_link("/etc/self", "self");
    protect_link("/etc/gone", "nowhere");
    protect_link("/etc/dir", "/lib/");
    protect_link("/etc/root", "/");
    return lb_protect_tree_open(board_root, &protect.tree);
}

/* What there is to read, or the errno; by the walk and, where it is there, by the kernel: they agree. */
static int opened(const char *path, int flags, char text[8])
{
    int result[2];

    for (int is_walk = 0; is_walk < 2; is_walk++) {
        int fd = is_walk ? lb_protect_beneath(protect.tree.fd, path, flags)
                         : lb_protect_open(&protect.tree, path, flags);
        ssize_t len = 0;

        result[is_walk] = fd < 0 ? fd : 0;
        if (fd >= 0 && !(flags & (O_PATH | O_DIRECTORY)))
            len = read(fd, text, 7);
        text[len > 0 ? len : 0] = '\0';
        if (fd >= 0)
            close(fd);
    }
    assert_int_equal(result[0], result[1]);
    return result[1];
}

static void reads(const char *path)
{
    char text[8];

    assert_int_equal(opened(path, O_RDONLY, text), 0);
    assert_string_equal(text, "in");
}

static void fails(const char *path, int flags, int error)
{
    char text[8];

    assert_int_equal(opened(path, flags, text), -error);
}

static void names_links_and_dots_lead_to_files_of_the_image(void **state)
{
    static const char *const paths[] = {
        "/etc/a.conf",       "etc/a.conf",         "//etc/./a.conf",   "/etc/../etc/a.conf",
        "/../../etc/a.conf", "/lib/b.conf",        "/etc/abs",         "/etc/up",
        "/etc/dir/b.conf",   "/lib/../lib/b.conf", "/etc/root/etc/up", "/etc/dir/../../etc/a.conf"
    };

    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        reads(paths[i]);
}

static void what_is_not_there_or_not_that_is_said(void **state)
{
    (void)state;
    fails("/etc/none", O_RDONLY, ENOENT);
    fails("/none/a.conf", O_RDONLY, ENOENT);
    fails("/etc/gone", O_RDONLY, ENOENT);
    fails("/etc/a.conf/x", O_RDONLY, ENOTDIR);
    fails("/etc/a.conf/", O_RDONLY, ENOTDIR);
    fails("/etc/self", O_RDONLY, ELOOP);
    fails("/etc/self/x", O_RDONLY, ELOOP);
    fails("/etc/abs", O_RDONLY | O_NOFOLLOW, ELOOP);
    fails("/etc/abs", O_PATH | O_NOFOLLOW, 0);
    fails("/etc/a.conf", O_RDONLY | O_DIRECTORY, ENOTDIR);
}

static void directories_are_opened_as_such(void **state)
{
    static const char *const paths[] = { "/",    ".",     "..",        "/etc",   "/etc/",
                                         "/lib", "/lib/", "/etc/root", "/etc/.." };

    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        fails(paths[i], O_RDONLY | O_DIRECTORY, 0);
}

static void what_is_too_long_or_too_deep_is_refused(void **state)
{
    char name[400], path[5000] = "";

    (void)state;
    memset(name, 'n', 300);
    name[300] = '\0';
    fails(name, O_RDONLY, ENAMETOOLONG);
    for (unsigned i = 0; i < 70; i++) {
        strcat(path, "/d");
        protect_dir(path);
    }
    assert_int_equal(lb_protect_beneath(protect.tree.fd, path, O_PATH), -ENAMETOOLONG);
    memset(path, '/', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(lb_protect_beneath(protect.tree.fd, path, O_PATH), -ENAMETOOLONG);
}

static void nothing_stays_open(void **state)
{
    int before, after;

    (void)state;
    before = dup(protect.tree.fd);
    close(before);
    for (unsigned i = 0; i < 100; i++) {
        reads("/etc/dir/../../etc/a.conf");
        fails("/etc/dir/x/y", O_RDONLY, ENOENT);
        fails("/etc/self", O_RDONLY, ELOOP);
    }
    after = dup(protect.tree.fd);
    close(after);
    assert_int_equal(after, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_links_and_dots_lead_to_files_of_the_image, image, protect_end),
        cmocka_unit_test_setup_teardown(what_is_not_there_or_not_that_is_said, image, protect_end),
        cmocka_unit_test_setup_teardown(directories_are_opened_as_such, image, protect_end),
        cmocka_unit_test_setup_teardown(what_is_too_long_or_too_deep_is_refused, image, protect_end),
        cmocka_unit_test_setup_teardown(nothing_stays_open, image, protect_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
