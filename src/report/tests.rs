use super::demo::*;
