// @ts-check
// A page that says the same to everybody; only its header knows who is there.
import { showAccount } from "./account.js";

void showAccount();
