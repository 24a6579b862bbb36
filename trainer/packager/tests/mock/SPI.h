// Nothing of it is used: the display is none.
#pragma once
