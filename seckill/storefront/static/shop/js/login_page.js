// @ts-check
import { showAccount } from "./account.js";
import { logIn } from "./api.js";
import { startCredentials } from "./credentials.js";

void showAccount();
startCredentials(logIn);
