// SPDX-License-Identifier: GPL-2.0
/* The KUnit suite of the entries in i_pages and their lock. Needs CONFIG_FS_DAX_KUNIT_TEST. */
#include "../storage/kunit.h"

int main(void)
{
	run_kunit("fsdax");
}
