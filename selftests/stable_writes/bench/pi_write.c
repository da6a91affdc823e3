// SPDX-License-Identifier: GPL-2.0
/* What a write costs, with CRCs. */
#include "pi_write.h"

int main(void)
{
	return pi_write("");
}
