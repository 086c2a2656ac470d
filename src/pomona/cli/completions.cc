#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "pomona/cli/command.h"

namespace pomona::cli {
namespace {

struct CommandWords {
  std::string name;  // "run", "models pull"
  std::string description;
  std::vector<std::string> flags;
};

std::vector<std::string> LongFlags(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
  }
  return flags;
}

void Collect(const CLI::App& app, const std::string& prefix, std::vector<CommandWords>* out) {
  for (const CLI::App* command : app.get_subcommands({})) {
    const std::string name = prefix + command->get_name();
    out->push_back({name, command->get_description(), LongFlags(*command)});
    Collect(*command, name + " ", out);
  }
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// The words that may follow `prefix`: its direct subcommands.
std::vector<std::string> Children(const std::vector<CommandWords>& commands,
                                  const std::string& prefix) {
  std::vector<std::string> names;
  for (const CommandWords& c : commands) {
    if (!c.name.starts_with(prefix)) continue;
    const std::string rest = c.name.substr(prefix.size());
    if (rest.find(' ') == std::string::npos) names.push_back(rest);
  }
  return names;
}

std::string Bash(const std::vector<CommandWords>& commands, const std::string& global) {
  std::ostringstream out;
  out << "# bash completion for pomona: source <(pomona completions bash)\n"
      << "_pomona() {\n"
      << "  local cur=${COMP_WORDS[COMP_CWORD]} path= words=\"" << Joined(Children(commands, ""))
      << " " << global << "\" word\n"
      << "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      << "    case \"${path:+$path }$word\" in\n";
  for (const CommandWords& c : commands) {
    out << "      '" << c.name << "') path='" << c.name << "' words=\""
        << Joined(Children(commands, c.name + " ")) << " " << Joined(c.flags) << " " << global
        << "\" ;;\n";
  }
  out << "    esac\n"
      << "  done\n"
      << "  if [[ $cur == -* || -z $path ]]; then\n"
      << "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
      << "  else\n"
      << "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\") $(compgen -f -- \"$cur\"))\n"
      << "  fi\n"
      << "}\n"
      << "complete -o filenames -F _pomona pomona\n";
  return out.str();
}

std::string Zsh(const std::vector<CommandWords>& commands, const std::string& global) {
  return "#compdef pomona\n# zsh completion for pomona: source <(pomona completions zsh)\n"
         "autoload -U +X bashcompinit && bashcompinit\n" +
         Bash(commands, global);
}

std::string Fish(const std::vector<CommandWords>& commands, const std::string& global) {
  std::ostringstream out;
  out << "# fish completion for pomona: pomona completions fish | source\n";
  std::istringstream flags(global);
  for (std::string flag; flags >> flag;) out << "complete -c pomona -l " << flag.substr(2) << "\n";
  for (const CommandWords& c : commands) {
    const size_t space = c.name.rfind(' ');
    const std::string condition = space == std::string::npos
                                      ? "__fish_use_subcommand"
                                      : "__fish_seen_subcommand_from " + c.name.substr(0, space);
    const std::string word = c.name.substr(space == std::string::npos ? 0 : space + 1);
    out << "complete -c pomona -n '" << condition << "' -a " << word << " -d '" << c.description
        << "'\n";
    for (const std::string& flag : c.flags) {
      out << "complete -c pomona -n '__fish_seen_subcommand_from " << word << "' -l "
          << flag.substr(2) << "\n";
    }
  }
  return out.str();
}

Result<int> Run(const CLI::App& app, const std::string& shell) {
  std::vector<CommandWords> commands;
  Collect(app, "", &commands);
  const std::string global = Joined(LongFlags(app));
  if (shell == "bash") {
    std::cout << Bash(commands, global);
  } else if (shell == "zsh") {
    std::cout << Zsh(commands, global);
  } else {
    std::cout << Fish(commands, global);
  }
  return kExitDone;
}

}  // namespace

void AddCompletions(CLI::App* app, Context* context) {
  auto shell = std::make_shared<std::string>();
  CLI::App* command = app->add_subcommand("completions", "Print completions for a shell");
  command->footer(
      "Examples:\n"
      "  source <(pomona completions bash)\n"
      "  pomona completions fish > ~/.config/fish/completions/pomona.fish");
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->callback(
      [shell, app, context] { context->action = [shell, app] { return Run(*app, *shell); }; });
}

}  // namespace pomona::cli
