// SPDX-License-Identifier: GPL-2.0
/* The KUnit suite of COW arithmetic. Needs CONFIG_BLK_DEV_UBD_KUNIT_TEST. */
#include "../storage/kunit.h"

int main(void)
{
	run_kunit("ubd");
}
