// @ts-check
// A page without personal content except for the header.
import { showAccount } from "./account.js";

void showAccount();
