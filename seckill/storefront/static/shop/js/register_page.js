// @ts-check
import { showAccount } from "./account.js";
import { register } from "./api.js";
import { startCredentials } from "./credentials.js";

void showAccount();
startCredentials(register);
